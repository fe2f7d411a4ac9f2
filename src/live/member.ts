/**
 * One subscriber of a group, and how much of what the group says has gone to its wire.
 *
 *     holding ──release──▶ open ──wire full──▶ holding ──wire drained──▶ open
 *        └───────── held too much, or only the journal can tell ───────▶ left
 *
 * What is held are references to messages that the other members get as well.
 */
import type { Position } from '../events/event.ts';
import type { Wire } from './wire.ts';

/** A message as it goes to all members of a group. */
export interface Message {
  /** Who has it has everything up to here. */
  readonly position: Position;
  readonly payload: Buffer;
  /** Says where the reader stands and nothing else, also where it has stood before. */
  readonly isCheckpoint: boolean;
}

/** Held for one member, at most. Their bytes are limited by its wire. */
const MAX_HELD_MESSAGES = 1_000;

/** A class, because there are thousands of them: its functions stand once. */
export class Member {
  /** Resolves when the member has left, by itself or because it was told to. */
  readonly left: Promise<void>;
  private readonly wire: Wire;
  private readonly group: { forget(member: Member): void };
  /** Null while messages go straight to the wire. */
  private held: Message[] | null = [];
  private heldBytes = 0;
  private position = 0 as Position;
  private tellLeft: (() => void) | null = null;
  private waitNoMore: (() => void) | null = null;

  constructor(wire: Wire, group: { forget(member: Member): void }) {
    this.wire = wire;
    this.group = group;
    this.left = new Promise((resolve) => {
      this.tellLeft = resolve;
    });
  }

  /** All up to here has been taken by the wire; 0 before anything has. */
  at(): Position {
    return this.position;
  }

  take(message: Message): void {
    if (this.tellLeft === null) return;
    if (this.held === null && this.send(message)) return;
    this.held ??= this.waitForRoom();
    const bytes = message.payload.length;
    if (this.held.length >= MAX_HELD_MESSAGES || !this.wire.reserve(bytes)) {
      this.leave();
      return;
    }
    this.held.push(message);
    this.heldBytes += bytes;
  }

  /** From now on messages go to the wire: those held that lie behind this position, then the new ones. */
  release(after: Position): void {
    if (this.tellLeft === null) return;
    this.position = Math.max(this.position, after) as Position;
    this.sendHeld();
  }

  leave(): void {
    const tellLeft = this.tellLeft;
    if (tellLeft === null) return;
    this.tellLeft = null;
    this.held = null;
    this.wire.free(this.heldBytes);
    this.heldBytes = 0;
    this.waitNoMore?.();
    this.group.forget(this);
    tellLeft();
  }

  private send({ position, payload, isCheckpoint }: Message): boolean {
    if (position < this.position || (position === this.position && !isCheckpoint)) return true;
    if (!this.wire.push(payload)) return false;
    this.position = position;
    return true;
  }

  private sendHeld(): void {
    if (this.tellLeft === null) return;
    const messages = this.held ?? [];
    const refused = messages.findIndex((message) => !this.send(message));
    const kept = refused === -1 ? [] : messages.slice(refused);
    const keptBytes = kept.reduce((sum, { payload }) => sum + payload.length, 0);
    this.wire.free(this.heldBytes - keptBytes);
    this.heldBytes = keptBytes;
    this.held = kept.length === 0 ? null : this.waitForRoom().concat(kept);
  }

  /** @returns room for what is held meanwhile. */
  private waitForRoom(): Message[] {
    this.waitNoMore = this.wire.whenDrained(() => this.sendHeld());
    return [];
  }
}

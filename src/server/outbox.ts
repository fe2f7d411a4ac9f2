/**
 * What waits to be written to one connection: live messages, gathered and written together. The system call
 * for each write is what limits a server with many subscribers, not the making of messages.
 *
 *     idle for 5 ms ──▶ written at the end of this turn
 *     written lately ─▶ written 5 ms after that, or when 64 kB have come together
 *
 * Little waits here: a connection that is full takes no more until it has drained.
 */
import type { Writable } from 'node:stream';
import type { Wire } from '../live/wire.ts';
import { type Envelope, leaveReused, newBlock, reusedBlock } from './block.ts';

/** What an outbox writes to. */
export interface Sink {
  /** Where bytes go, each write in one piece; what it does not hold any more, by `writableLength`, is copied. */
  readonly stream: Pick<Writable, 'write' | 'writableLength' | 'on'>;
  /** False when nothing may be written any more. */
  isOpen(): boolean;
  onWritten(messages: number): void;
}

const GATHER_MS = 5;
const WRITE_AT_BYTES = 65_536;
/** Waiting for the network or for a write: a connection with more is full. */
const FULL_BYTES = 262_144;
/** Held for all of its subscriptions, beside what waits. */
const HELD_BYTES = 262_144;
/** It has drained when no more than this waits. */
const DRAINED_BYTES = 65_536;

/** A class, because there are thousands of them: its functions stand once. */
export class Outbox {
  private readonly sink: Sink;
  /** Side by side, and not in pairs, which would be one object more for each message and connection. */
  private envelopes: Envelope[] = [];
  private payloads: Buffer[] = [];
  private bytes = 0;
  private held = 0;
  private writtenAt = 0;
  /**
   * Whether the last block was copied by the system as it was written: nobody looks at its bytes any more. Never so
   * for an HTTP response, which puts off to the end of the turn what it is given.
   */
  private tookAll = false;
  private untilDrained: Set<() => void> | null = null;
  private readonly look = () => this.tellDrained();

  constructor(sink: Sink) {
    this.sink = sink;
    sink.stream.on('drain', this.look);
  }

  wire(envelope: Envelope): Wire {
    return new OutboxWire(this, envelope);
  }

  /** Writes what waits, in one piece; to be called before anything else is written to the connection. */
  flush(): void {
    const { envelopes, payloads, bytes, sink } = this;
    const messages = payloads.length;
    if (messages === 0) return;
    this.envelopes = [];
    this.payloads = [];
    this.bytes = 0;
    if (!sink.isOpen()) return;
    this.writtenAt = timeOfTurn();
    sink.onWritten(messages);
    const isReused = this.tookAll;
    const block = isReused ? reusedBlock(envelopes, payloads, bytes) : newBlock(envelopes, payloads, bytes);
    const { stream } = sink;
    stream.write(block, this.untilDrained === null ? undefined : this.look);
    // To be asked in the same step: later it would say nothing of this block.
    this.tookAll = stream.writableLength === 0;
    if (isReused && !this.tookAll) leaveReused(block);
  }

  push(envelope: Envelope, payload: Buffer): boolean {
    // The stream of one that took all is not asked, which costs: what else may wait there by now is seen with the
    // next block, so that one block at most comes on top of it.
    if (!this.tookAll && this.unsent() > FULL_BYTES) return false;
    if (this.payloads.length === 0) {
      gather(this, this.writtenAt);
      // Made with their first item, lists have room for one; most get no more.
      this.envelopes = [envelope];
      this.payloads = [payload];
    } else {
      this.envelopes.push(envelope);
      this.payloads.push(payload);
    }
    this.bytes += envelope.size(payload);
    if (this.bytes >= WRITE_AT_BYTES) this.flush();
    return true;
  }

  reserve(bytes: number): boolean {
    if (this.held + bytes > HELD_BYTES) return false;
    this.held += bytes;
    return true;
  }

  free(bytes: number): void {
    this.held -= bytes;
  }

  whenDrained(callback: () => void): () => void {
    this.untilDrained ??= new Set();
    this.untilDrained.add(callback);
    // One that has drained already, or was never full, does not say so.
    if (this.unsent() <= DRAINED_BYTES) setImmediate(this.look);
    return () => this.untilDrained?.delete(callback);
  }

  private unsent(): number {
    return this.sink.stream.writableLength + this.bytes;
  }

  private tellDrained(): void {
    if (this.untilDrained === null || this.unsent() > DRAINED_BYTES) return;
    const callbacks = this.untilDrained;
    this.untilDrained = null;
    for (const callback of callbacks) callback();
  }
}

/** The end of one subscription. */
class OutboxWire implements Wire {
  private readonly outbox: Outbox;
  private readonly envelope: Envelope;

  constructor(outbox: Outbox, envelope: Envelope) {
    this.outbox = outbox;
    this.envelope = envelope;
  }

  push(payload: Buffer): boolean {
    return this.outbox.push(this.envelope, payload);
  }

  reserve(bytes: number): boolean {
    return this.outbox.reserve(bytes);
  }

  free(bytes: number): void {
    this.outbox.free(bytes);
  }

  whenDrained(callback: () => void): () => void {
    return this.outbox.whenDrained(callback);
  }
}

let turnAt: number | null = null;

/** In ms, asked for once a turn: there may be thousands of messages in one. */
function timeOfTurn(): number {
  if (turnAt === null) {
    turnAt = performance.now();
    process.nextTick(endTurn);
  }
  return turnAt;
}

function endTurn(): void {
  turnAt = null;
}

let soon: Outbox[] = [];
let later: Outbox[] = [];

/** All connections of a process share one timer. */
function gather(outbox: Outbox, writtenAt: number): void {
  const wait = writtenAt + GATHER_MS - timeOfTurn();
  if (wait <= 0) {
    if (soon.push(outbox) === 1) process.nextTick(flushSoon);
  } else if (later.push(outbox) === 1) {
    setTimeout(flushLater, wait);
  }
}

function flushSoon(): void {
  const due = soon;
  soon = [];
  for (const outbox of due) outbox.flush();
}

function flushLater(): void {
  const due = later;
  later = [];
  for (const outbox of due) outbox.flush();
}

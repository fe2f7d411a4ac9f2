/**
 * Calls and groups while their functions run. Each knows what lies around it, so parallel branches stay apart; what
 * runs deeper finds the innermost one by AsyncLocalStorage (see create.ts).
 *
 *     open ──fn resolves──▶ well ─┐
 *       └────fn rejects───▶ failed ┴──▶ nothing can be added any more; so it is below a scope that has ended
 */
import type { AsyncLocalStorage } from 'node:async_hooks';
import type { Json } from '../base/json.ts';
import type { Marker, PlacedEvent, ResourcePut } from '../outbox/parcel.ts';
import type { Queryable } from '../outbox/statement.ts';
import { draftNode, type Inherited, joined } from './draft.ts';
import { RecorderError } from './errors.ts';
import type { FailureFacts } from './failure.ts';
import type { Redactor } from './redact.ts';
import type { AddedEvent, Call, CallAmendment, Scope } from './scope.ts';
import type { Sink } from './sink.ts';
import { addChild, type Node, newNode, treeOf } from './tree.ts';

/** What scopes work with. */
export interface Desk {
  readonly sink: Sink;
  readonly redactor: Redactor;
  readonly running: AsyncLocalStorage<OpenScope>;
  /** Events that a call may hold until it ends. */
  readonly maxCallEvents: number;
  /** Something is marked: from now on the lease is renewed. */
  readonly keepAlive: () => void;
}

/** Whether a scope is marked: before it began, perhaps so, within a transaction, or not at all. */
type Mark = 'committed' | 'doubtful' | 'inTransaction' | 'none';

export class OpenScope implements Scope {
  readonly node: Node;
  readonly parent: OpenScope | null;
  /** How many scopes lie around it. */
  readonly depth: number;
  mark: Mark = 'none';
  protected readonly desk: Desk;

  constructor(desk: Desk, node: Node, parent: OpenScope | null) {
    this.desk = desk;
    this.node = node;
    this.parent = parent;
    this.depth = parent === null ? 0 : parent.depth + 1;
  }

  get id(): string {
    return this.node.event.id;
  }

  get call(): OpenCall {
    // The root of all scopes is a call.
    return (this.parent as OpenScope).call;
  }

  isRunning(): boolean {
    for (let scope: OpenScope | null = this; scope !== null; scope = scope.parent) {
      if (scope.node.outcome !== 'open') return false;
    }
    return true;
  }

  record(event: AddedEvent): string {
    return this.add('leaf', event).event.id;
  }

  /** @throws RecorderError ENDED, ORPHAN, BUFFER_FULL */
  add(kind: 'leaf' | 'group', event: AddedEvent, resources: readonly ResourcePut[] = []): Node {
    const always = event.always === true;
    this.checkMayAdd(always);
    const { node, call } = this;
    const added = draftNode(kind, event, this.id, always, call.inherited, call.redactor);
    call.root.take(sizeOf(added));
    addChild(node, resources.length === 0 ? added : { ...added, resources });
    return node.children?.at(-1) as Node;
  }

  async recordIn(
    transaction: Queryable,
    events: readonly AddedEvent[],
    resources: readonly ResourcePut[] = [],
  ): Promise<string[]> {
    const { desk, call } = this;
    if (!this.isRunning()) throw ended();
    if (!desk.sink.transactional) throw noOutbox();
    if (events.some(({ always }) => always === true)) throw undecided();
    const nodes = events.map((event) =>
      draftNode('leaf', event, this.id, false, call.inherited, call.redactor),
    );
    const placed = nodes.flatMap((node) => treeOf(node).events);
    const parcel = {
      events: placed,
      resources,
      waitsFor: this.id,
      above: this.above(),
      depth: this.depth + 1,
    };
    const marks = this.chain().filter(({ mark }) => mark !== 'committed');
    // From here on it may be there, whatever the answer is.
    for (const scope of marks) call.root.willMark(scope);
    call.root.hasTransactional = true;
    desk.keepAlive();
    await desk.sink.write(
      { parcels: [parcel], ends: [], marks: marks.map((scope) => scope.marker()) },
      transaction,
    );
    return nodes.map(({ event }) => event.id);
  }

  async group<T>(event: AddedEvent, fn: (group: Scope) => T | Promise<T>): Promise<T> {
    const group = new OpenScope(this.desk, this.add('group', event), this);
    try {
      // Awaited within: a query of Prisma does nothing before somebody waits for it.
      const result = await this.desk.running.run(group, async () => await fn(group));
      group.end('well');
      return result;
    } catch (error) {
      group.end('failed');
      throw error;
    }
  }

  /** The first end counts: one that the call has ended before stays so. */
  end(outcome: 'well' | 'failed'): void {
    if (this.node.outcome === 'open') this.node.outcome = outcome;
  }

  /** What is left of it where the process ends: a group's own event. */
  marker(): Marker {
    return { id: this.id, event: this.node.event, waitsFor: this.parent?.id ?? null, depth: this.depth };
  }

  /** All scopes around it and itself, outermost first. */
  chain(): OpenScope[] {
    const chain: OpenScope[] = [];
    for (let scope: OpenScope | null = this; scope !== null; scope = scope.parent) chain.unshift(scope);
    return chain;
  }

  /** Ids of the scopes around it, innermost first. */
  above(): string[] {
    return this.chain()
      .slice(0, -1)
      .map(({ id }) => id)
      .reverse();
  }

  /** @throws RecorderError ENDED, ORPHAN */
  checkMayAdd(always: boolean): void {
    if (!this.isRunning()) throw ended();
    if (always && !this.node.always) {
      throw new RecorderError(
        'ORPHAN',
        'The event would be kept where the one above it is not: give the group above `always: true` too, or add the event to the call.',
      );
    }
  }
}

export interface CallFacts {
  readonly function: string;
  readonly event: PlacedEvent;
  readonly inherited: Inherited;
  /** To which is private what is so in the call. */
  readonly redactor: Redactor;
}

export class OpenCall extends OpenScope implements Call {
  readonly inherited: Inherited;
  readonly redactor: Redactor;
  /** Something below it was written in a transaction. */
  hasTransactional = false;
  /** Scopes of its tree that transactions have marked; with them, they may have been rolled back. */
  readonly marked = new Set<OpenScope>();
  function: string;
  private held = 0;

  constructor(desk: Desk, facts: CallFacts, parent: OpenScope | null) {
    super(desk, newNode('call', facts.event, parent?.node.always ?? true), parent);
    this.function = facts.function;
    this.inherited = facts.inherited;
    this.redactor = facts.redactor;
  }

  override get call(): OpenCall {
    return this;
  }

  /** The outermost call, with which it is written. */
  get root(): OpenCall {
    return this.parent === null ? this : this.parent.call.root;
  }

  get actor(): string | null {
    return this.inherited.actor ?? null;
  }

  get sessionId(): string | null {
    return this.inherited.sessionId ?? null;
  }

  get correlationId(): string | null {
    return this.inherited.correlationId ?? null;
  }

  /** To be called at the root. */
  willMark(scope: OpenScope): void {
    if (scope.mark === 'none') scope.mark = 'inTransaction';
    this.marked.add(scope);
  }

  amend({ function: name, payload }: CallAmendment): void {
    if (!this.isRunning()) throw ended();
    const { node, redactor } = this;
    if (name !== undefined) {
      this.function = redactor.text(name);
      this.tell({ function: this.function });
    }
    if (payload !== undefined) {
      const before = node.event.payload;
      const isNamed = typeof before === 'object' && before !== null && !Array.isArray(before);
      const { open, apart } = redactor.split(payload);
      const more = typeof open === 'object' ? open : { amended: open };
      node.event = { ...node.event, payload: { ...(isNamed && before), ...more } };
      if (apart !== null) this.keepPrivate({ payload: apart });
    }
  }

  /** Adds to what its event tells, without secrets already. Its attributes are its own: a marker has copies. */
  tell(attributes: Readonly<Record<string, unknown>>): void {
    const told = this.node.event.attributes as Record<string, unknown>;
    for (const [name, value] of Object.entries(attributes)) {
      const isSimple = typeof value !== 'object' || value === null;
      const { open, apart } = isSimple ? { open: value, apart: null } : this.redactor.split(value);
      told[name] = open;
      if (apart !== null) this.keepPrivate({ [name]: apart });
    }
  }

  private keepPrivate(more: Readonly<Record<string, Json>>): void {
    const { node } = this;
    node.event = { ...node.event, privatePayload: joined(node.event.privatePayload, more) };
  }

  /** @throws RecorderError BUFFER_FULL for more events than a call may hold. */
  take(events: number): void {
    if (this.held + events > this.desk.maxCallEvents) {
      throw new RecorderError(
        'BUFFER_FULL',
        `A call holds at most ${this.desk.maxCallEvents} events until it ends (maxCallEvents): do the work in several calls.`,
      );
    }
    this.held += events;
  }

  /** A call whose process is gone was lost; what was written below it in transactions hangs below that. */
  override marker(): Marker {
    const { node, parent, depth, id } = this;
    // What is said of the call as a whole is not true of one that was lost.
    const { payload: _, message: __, privatePayload, ...event } = node.event;
    const { function: name, params } = node.event.attributes ?? {};
    const attributes = { function: name, ...(params !== undefined && { params }) };
    const { params: apart } = (privatePayload ?? {}) as { readonly params?: Json };
    const lost = { ...event, type: 'call_lost', attributes };
    return {
      id,
      event: apart === undefined ? lost : { ...lost, privatePayload: { params: apart } },
      waitsFor: parent?.id ?? null,
      depth,
    };
  }
}

/** What a call tells of how it went. */
export type Ending =
  | { readonly elapsedMs: number; readonly resultLength: number | null }
  | { readonly elapsedMs: number; readonly failure: FailureFacts };

export function endAttributes(ending: Ending): Readonly<Record<string, unknown>> {
  const elapsed_ms = Math.round(ending.elapsedMs * 1_000) / 1_000;
  // It may have had a result before it failed, which was not to be recorded then.
  if ('failure' in ending) return { elapsed_ms, result_length: undefined, ...ending.failure };
  return ending.resultLength === null ? { elapsed_ms } : { elapsed_ms, result_length: ending.resultLength };
}

function sizeOf({ children }: Node): number {
  return 1 + (children?.reduce((sum, child) => sum + sizeOf(child), 0) ?? 0);
}

function ended(): RecorderError {
  return new RecorderError(
    'ENDED',
    'The call or group has ended: wait for all that it does before its function returns.',
  );
}

function undecided(): RecorderError {
  return new RecorderError(
    'BAD_INPUT',
    'An event in a transaction is kept if and only if that is committed: leave `always` out, or record it without the transaction.',
  );
}

export function noOutbox(): RecorderError {
  return new RecorderError(
    'NO_OUTBOX',
    'Events are written in a transaction through an outbox in its database: create the recorder with `outbox` or `database`.',
  );
}

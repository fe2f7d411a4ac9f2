/**
 * Makes a recorder: runs functions within calls, and hands the trees that they leave to a sink.
 *
 *     room ──▶ marker ──▶ function ──▶ what of the tree is kept ──▶ sink
 *
 * What the function does, returns and throws is the application's: a failure to record is reported and changes
 * nothing of it. Two exceptions are asked for: a call that is to be marked or else refused (`strict`), and one that
 * is written in a transaction, which must not be committed without it.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import { createClient } from '../client/client.ts';
import type { NewEvent } from '../client/event.ts';
import { createTokens } from '../client/token.ts';
import type { Parcel, PlacedEvent } from '../outbox/parcel.ts';
import type { Queryable } from '../outbox/statement.ts';
import { startApiRelay } from './api-relay.ts';
import { createApiSink } from './api-sink.ts';
import { type Desk, endAttributes, noOutbox, OpenCall, type OpenScope } from './call.ts';
import { draftNode, type Inherited } from './draft.ts';
import { RecorderError } from './errors.ts';
import { failureFacts, isExpectedError } from './failure.ts';
import { within } from './gather.ts';
import { newId } from './id.ts';
import { bad, checkOptions, type RecorderOptions } from './options.ts';
import { Outage } from './outage.ts';
import { createOutboxSink } from './outbox-sink.ts';
import type { CallOptions, Recorder, RecordInOptions } from './recorder.ts';
import { cleanText, createRedactor } from './redact.ts';
import type { GiveUp } from './room.ts';
import type { AddedEvent, Call } from './scope.ts';
import { openSession } from './session.ts';
import type { Report, Sink, Writing } from './sink.ts';
import { addChild, type Tree, treeOf } from './tree.ts';
import { createWatch } from './watch.ts';

type CallFunction<T> = (call: Call) => T | Promise<T>;

type Writable = { -readonly [Name in keyof PlacedEvent]: PlacedEvent[Name] };

/** What became of a function. */
type Ended<T> = { readonly result: T } | { readonly error: unknown };

const ADMIN = 'group/admin';
const MAX_NAME_CHARS = 1_000;
const ALONE_WITHIN_MS = 10_000;

/** @throws RecorderError BAD_INPUT where the options do not fit together. */
export function createRecorder(options: RecorderOptions): Recorder {
  checkOptions(options);
  const { leaseMs = 15_000, closeTimeoutMs = 10_000, isExpected = isExpectedError } = options;
  const { markers: isMarking = true, strict: isStrict = false, keep: policy } = options;
  const report = createReport(options.onError);
  const redactor = createRedactor(options);
  const sink = openSink(options, leaseMs, closeTimeoutMs, report);
  const watch = createWatch(sink, report);
  const markerOutage = new Outage(report);
  const renewOutage = new Outage(report);
  const running = new AsyncLocalStorage<OpenScope>();
  const { maxCallEvents = 100_000 } = options;
  const desk: Desk = { sink, redactor, running, maxCallEvents, keepAlive: startBeating };
  const privateNames: ReadonlySet<string> = new Set(options.private);
  const defaults = compact<Inherited>({ journal: options.journal, actor: options.actor });
  const idle = new Set<() => void>();
  let calls = 0;
  let heart: NodeJS.Timeout | null = null;
  let beating: Promise<void> | null = null;
  let closed: Promise<void> | null = null;

  function innermost(): OpenScope | null {
    let scope = running.getStore() ?? null;
    // What goes on behind the end of a scope is part of what is still open around it.
    while (scope !== null && !scope.isRunning()) scope = scope.parent;
    return scope;
  }

  function open(name: string, call: CallOptions, parent: OpenScope | null): OpenCall {
    const { params, parentId, attributes, payload, message, resource } = call;
    const inherited = inheritedBy(call, parent?.call.inherited ?? defaults);
    const names = call.private === undefined ? privateNames : new Set([...privateNames, ...call.private]);
    const { open: shown, apart } = redactor.split(params, names);
    const title = cleanText(name).slice(0, MAX_NAME_CHARS);
    const told: Record<string, unknown> = attributes === undefined ? {} : jsonOf(attributes);
    told.function = title;
    if (shown !== undefined) told.params = shown;
    const event: Writable = { ...inherited, id: newId(), type: 'call', attributes: told };
    if (parent !== null) event.parentId = parent.id;
    else if (parentId !== undefined) event.parentId = parentId;
    if (resource !== undefined) event.resource = resource;
    if (message !== undefined) event.message = cleanText(message);
    if (payload !== undefined) event.payload = redactor.json(payload);
    if (apart !== null) event.privatePayload = { params: apart };
    return new OpenCall(desk, { function: title, event, inherited }, parent);
  }

  function jsonOf(attributes: Readonly<Record<string, unknown>>): Record<string, unknown> {
    return Object.fromEntries(
      Object.entries(attributes).map(([name, value]) => [name, redactor.json(value)]),
    );
  }

  async function runRoot<T>(name: string, options: CallOptions, fn: CallFunction<T>): Promise<T> {
    checkOpen();
    checkTransaction(options);
    calls++;
    let giveUp: GiveUp | undefined;
    try {
      const room = sink.room();
      if (room !== null) giveUp = await room;
      const call = open(name, options, null);
      if (options.marker ?? isMarking) await mark(call);
      const { ended, elapsedMs } = await runIn(call, fn);
      const written = finish(call, ended, elapsedMs, options);
      if (written !== null) await written;
      if ('error' in ended) throw ended.error;
      return ended.result;
    } finally {
      giveUp?.();
      calls--;
      if (calls === 0) for (const done of idle) done();
    }
  }

  async function mark(call: OpenCall): Promise<void> {
    startBeating();
    try {
      await sink.open(call.marker());
      call.mark = 'committed';
      markerOutage.over();
    } catch (error) {
      // It may have been committed nevertheless.
      call.mark = 'doubtful';
      if (!isStrict) return markerOutage.failed(error);
      await write({ parcels: [], ends: [call.id], marks: [] });
      throw new RecorderError(
        'UNRECORDED',
        `The call of ${call.function} could not be marked, and is refused: the recorder is strict.`,
        { cause: error },
      );
    }
  }

  async function runIn<T>(
    call: OpenCall,
    fn: CallFunction<T>,
  ): Promise<{ readonly ended: Ended<T>; readonly elapsedMs: number }> {
    const startedAt = performance.now();
    let ended: Ended<T>;
    try {
      // Awaited within: a query of Prisma does nothing before somebody waits for it.
      ended = { result: await running.run(call, async () => await fn(call)) };
    } catch (error) {
      ended = { error };
    }
    const elapsedMs = performance.now() - startedAt;
    call.end('error' in ended ? 'failed' : 'well');
    return { ended, elapsedMs };
  }

  function tellEnd(call: OpenCall, ended: Ended<unknown>, elapsedMs: number): void {
    call.tell(
      endAttributes(
        'error' in ended
          ? { elapsedMs, failure: failureFacts(ended.error, redactor, isExpected) }
          : { elapsedMs, resultLength: lengthOf(ended.result) },
      ),
    );
  }

  /**
   * Writes what is kept. Null where there is nothing to wait for, as over the API. What cannot be written is reported.
   *
   * @throws (rejects) RecorderError UNRECORDED where it was to be written in a transaction.
   */
  function finish(
    call: OpenCall,
    ended: Ended<unknown>,
    elapsedMs: number,
    options: CallOptions,
  ): Promise<void> | null {
    tellEnd(call, ended, elapsedMs);
    const { transaction } = options;
    if (transaction !== undefined && !('error' in ended)) {
      return finishWithin(transaction, call, elapsedMs, options);
    }
    const unwritten = (error: unknown) => report(error, treeOf(call.node).events);
    if (call.marked.size > 0) return writeMarked(call, elapsedMs, options).catch(unwritten);
    try {
      const writing = writeTree(call, NO_IDS, elapsedMs, options);
      return writing instanceof Promise ? writing.then(ignore, unwritten) : null;
    } catch (error) {
      unwritten(error);
      return null;
    }
  }

  async function finishWithin(
    transaction: Queryable,
    call: OpenCall,
    elapsedMs: number,
    options: CallOptions,
  ): Promise<void> {
    try {
      await writeMarked(call, elapsedMs, options, transaction);
    } catch (cause) {
      call.node.outcome = 'failed';
      const error = unrecorded(call, cause);
      await finish(call, { error }, elapsedMs, options);
      throw error;
    }
    if (call.mark === 'committed') watch.rollBack(call.id, () => rolledBack(call, elapsedMs));
  }

  async function writeMarked(
    call: OpenCall,
    elapsedMs: number,
    options: CallOptions,
    transaction?: Queryable,
  ): Promise<void> {
    const kept = await markedIn(call, transaction);
    await writeTree(call, kept, elapsedMs, options, transaction);
  }

  /** @param kept scopes that are kept because of what was written below them. */
  function writeTree(
    call: OpenCall,
    kept: ReadonlySet<string>,
    elapsedMs: number,
    options: CallOptions,
    transaction?: Queryable,
  ): Promise<unknown> | null {
    const tree = treeOf(call.node, kept);
    const isKept = isWorthKeeping(call, tree, elapsedMs, options.keep ?? policy);
    const ends = call.mark === 'committed' || call.mark === 'doubtful' ? [call.id] : [];
    for (const scope of call.marked) if (scope !== call || ends.length === 0) ends.push(scope.id);
    if (!isKept && ends.length === 0) return null;
    const { events, resources } = tree;
    const parcels = isKept ? [{ events, resources, waitsFor: null, depth: 0 }] : [];
    const unmarked = sink.write({ parcels, ends, marks: NO_MARKS }, transaction);
    if (!(unmarked instanceof Promise)) return null;
    return call.marked.size === 0 ? unmarked : unmarked.then((ids) => watchMarked(call, tree, ids));
  }

  /** Scopes that are kept because a transaction that wrote below them is committed, as far as can be seen by now. */
  async function markedIn(call: OpenCall, transaction: Queryable | undefined): Promise<ReadonlySet<string>> {
    const isNeeded = [...call.marked].some((scope) => scope !== call && scope.node.outcome !== 'well');
    if (!isNeeded && call.node.outcome === 'well') return NO_IDS;
    const ids = [...call.marked].filter((scope) => scope !== call).map(({ id }) => id);
    return ids.length === 0 ? NO_IDS : new Set(await sink.marked(ids, transaction));
  }

  /** Transactions that go on may still bring what was marked within them. */
  function watchMarked(call: OpenCall, { events }: Tree, unmarked: readonly string[]): void {
    for (const scope of call.marked) {
      if (scope.mark !== 'inTransaction' || !unmarked.includes(scope.id)) continue;
      const { event } = scope.node;
      watch.commit(scope.id, events.includes(event) ? null : event, scope.depth);
      startBeating();
    }
  }

  function isWorthKeeping(
    call: OpenCall,
    { events }: Tree,
    elapsedMs: number,
    keep: CallOptions['keep'],
  ): boolean {
    if (keep === undefined || call.hasTransactional) return true;
    const failed = call.node.outcome === 'failed';
    try {
      return keep({ function: call.function, elapsedMs, failed, events: events.length - 1 });
    } catch (error) {
      report(error);
      return true;
    }
  }

  /** What is recorded of a call whose transaction did not come about. */
  function rolledBack(call: OpenCall, elapsedMs: number): Writing {
    call.node.outcome = 'failed';
    const error_value = 'The transaction in which the call was recorded was rolled back.';
    call.tell(endAttributes({ elapsedMs, failure: { error: 'RolledBack', error_value } }));
    const tree = treeOf(call.node);
    // Markers of other transactions are there again with it.
    watchMarked(
      call,
      tree,
      [...call.marked].map(({ id }) => id),
    );
    return { parcels: [{ ...tree, waitsFor: null, depth: 0 }], ends: [call.id], marks: [] };
  }

  async function runNested<T>(
    parent: OpenScope,
    name: string,
    options: CallOptions,
    fn: CallFunction<T>,
  ): Promise<T> {
    checkTransaction(options);
    if (options.parentId !== undefined || options.journal !== undefined) {
      throw bad('A call within a call is part of it: leave `parentId` and `journal` out.');
    }
    parent.call.root.take(1);
    const call = open(name, options, parent);
    addChild(parent.node, call.node);
    const { ended, elapsedMs } = await runIn(call, fn);
    tellEnd(call, ended, elapsedMs);
    if ('error' in ended) throw ended.error;
    const { transaction } = options;
    if (transaction === undefined) return ended.result;
    try {
      await writeNested(parent, call, transaction);
    } catch (error) {
      call.node.outcome = 'failed';
      const failure = unrecorded(call, error);
      tellEnd(call, { error: failure }, elapsedMs);
      throw failure;
    }
    return ended.result;
  }

  /** Written by itself, below scopes that go on. Where the transaction is rolled back nothing is left of it. */
  async function writeNested(parent: OpenScope, call: OpenCall, transaction: Queryable): Promise<void> {
    const { root } = call;
    const own = [...root.marked].filter((scope) => scope.chain().includes(call));
    const ids = own.map(({ id }) => id);
    const marked = ids.length === 0 ? NO_IDS : new Set(await sink.marked(ids, transaction));
    const parcel = {
      ...treeOf(call.node, marked),
      waitsFor: parent.id,
      above: parent.above(),
      depth: call.depth,
    };
    const above = parent.chain().filter(({ mark }) => mark !== 'committed');
    for (const scope of above) root.willMark(scope);
    root.hasTransactional = true;
    startBeating();
    await sink.write(
      { parcels: [parcel], ends: [...marked], marks: above.map((scope) => scope.marker()) },
      transaction,
    );
    call.node.isElsewhere = true;
  }

  /** @throws never: what cannot be written is reported. */
  async function write(writing: Writing): Promise<void> {
    try {
      await sink.write(writing);
    } catch (error) {
      report(
        error,
        writing.parcels.flatMap(({ events }) => events),
      );
    }
  }

  async function recordByItself(event: AddedEvent, options: RecordInOptions = {}): Promise<string> {
    checkOpen();
    checkTransaction(options);
    const { transaction, resources = [] } = options;
    const giveUp = transaction === undefined ? await sink.room() : null;
    const { events } = treeOf(draftNode('leaf', event, null, true, defaults, redactor));
    const parcel = { events, resources, waitsFor: null, depth: 0 };
    await writeOnly(parcel, transaction).finally(giveUp);
    return (events[0] as PlacedEvent).id;
  }

  async function writeOnly(parcel: Parcel, transaction?: Queryable): Promise<void> {
    await sink.write({ parcels: [parcel], ends: [], marks: [] }, transaction);
  }

  function startBeating(): void {
    heart ??= setInterval(() => {
      beating ??= beat().finally(() => {
        beating = null;
      });
    }, leaseMs / 3).unref();
  }

  /** Well within the lease: says that this process is alive, and looks what became of transactions. */
  async function beat(): Promise<void> {
    try {
      await sink.renew();
      await watch.look();
      renewOutage.over();
    } catch (error) {
      renewOutage.failed(error);
    }
  }

  function checkTransaction({ transaction }: { readonly transaction?: Queryable }): void {
    if (transaction !== undefined && !sink.transactional) throw noOutbox();
  }

  function checkOpen(): void {
    if (closed !== null) throw new RecorderError('CLOSED', 'The recorder has been closed.');
  }

  async function close(): Promise<void> {
    if (calls > 0) {
      const ended = new Promise<void>((done) => idle.add(done));
      await within(ended, closeTimeoutMs, '').catch(() => {});
    }
    if (heart !== null) clearInterval(heart);
    await beating;
    await watch.look().catch(report);
    await sink.close();
  }

  return {
    call<T>(name: string, given: CallOptions | CallFunction<T>, last?: CallFunction<T>): Promise<T> {
      const options = typeof given === 'function' ? NO_OPTIONS : given;
      const fn = typeof given === 'function' ? given : (last as CallFunction<T>);
      const parent = innermost();
      return parent === null ? runRoot(name, options, fn) : runNested(parent, name, options, fn);
    },

    async record(event, options = {}) {
      const scope = innermost();
      if (scope === null) return recordByItself(event, options);
      const { transaction, resources = [] } = options;
      if (transaction === undefined) return scope.add('leaf', event, resources).event.id;
      const [id] = await scope.recordIn(transaction, [event], resources);
      return id as string;
    },

    async recordAlone({ parentId, journal, ...event }: NewEvent, options = {}) {
      checkOpen();
      const { acknowledged = false, withinMs = ALONE_WITHIN_MS } = options;
      const inherited = compact<Inherited>({ ...defaults, ...compact({ journal }) });
      const { events } = treeOf(draftNode('leaf', event, parentId ?? null, true, inherited, redactor));
      const parcel = { events, resources: [], waitsFor: null, depth: 0 };
      const { id } = events[0] as PlacedEvent;
      if (acknowledged) {
        try {
          return { id, kept: await sink.acknowledge(parcel, withinMs) };
        } catch (cause) {
          throw new RecorderError('UNRECORDED', `The event could not be recorded: ${event.type}.`, { cause });
        }
      }
      const giveUp = await sink.room();
      await writeOnly(parcel).finally(giveUp);
      return { id, kept: null };
    },

    current: innermost,
    session: (options = {}) => openSession((event) => recordByItself(event), options),
    stats: () => ({ calls, ...sink.stats() }),

    async flush() {
      await sink.flush();
    },
    close() {
      closed ??= close();
      return closed;
    },
  };
}

const NO_IDS: ReadonlySet<string> = new Set();
const NO_MARKS: readonly never[] = Object.freeze([]);
const NO_OPTIONS: CallOptions = Object.freeze({});

function ignore(): void {}

function openSink(options: RecorderOptions, leaseMs: number, closeTimeoutMs: number, report: Report): Sink {
  const { url, token = null, database, as, claims, outbox, install } = options;
  const common = {
    recorder: options.id ?? randomUUID(),
    leaseMs,
    markerTimeoutMs: options.markerTimeoutMs ?? 5_000,
    maxBufferedEvents: options.maxBufferedEvents ?? 10_000,
    fullTimeoutMs: options.fullTimeoutMs ?? 30_000,
    closeTimeoutMs,
    report,
  };
  if (database !== undefined) {
    const subject = as as string;
    const author = { subject, claims: claims ?? [subject, ADMIN] };
    return createOutboxSink({ ...common, database, author, install: false, startRelay: null });
  }
  if (outbox === undefined) return createApiSink({ ...common, url: url as string, token });
  const endpoint = { url: createClient({ url: url as string }).url, tokens: createTokens(token) };
  return createOutboxSink({
    ...common,
    database: outbox,
    author: null,
    install: install ?? true,
    startRelay: () =>
      startApiRelay({
        endpoint,
        database: outbox,
        sweepIntervalMs: Math.min(5_000, leaseMs / 3),
        claimMs: leaseMs * 2,
        report,
      }),
  });
}

function createReport(onError: RecorderOptions['onError'] = tellConsole): Report {
  return (error, unrecorded = []) => {
    try {
      onError(error, unrecorded);
    } catch {
      // Whoever is told of failures must not be one for the function that is being recorded.
    }
  };
}

function tellConsole(error: unknown, { length }: readonly PlacedEvent[]): void {
  console.error(length === 0 ? 'eventree:' : `eventree: ${length} events were not recorded:`, error);
}

function unrecorded(call: OpenCall, cause: unknown): RecorderError {
  return new RecorderError(
    'UNRECORDED',
    `The call of ${call.function} could not be recorded in its transaction, which must not be committed without it: roll it back.`,
    { cause },
  );
}

/** Characters of JSON; null for what has none. */
function lengthOf(result: unknown): number | null {
  if (result === undefined) return null;
  try {
    return JSON.stringify(result)?.length ?? null;
  } catch {
    return null;
  }
}

/** What the events of a call take over: what is said of it, else what is above. */
function inheritedBy(call: CallOptions, above: Inherited): Inherited {
  const { journal, session, activeClaim, correlationId, visibleToActor } = call;
  const isSession = typeof session === 'object' && session !== null;
  const actor = call.actor === undefined && isSession ? (session.actor ?? undefined) : call.actor;
  const inherited: { -readonly [Name in keyof Inherited]: Inherited[Name] } = { ...above };
  if (journal !== undefined) inherited.journal = journal;
  if (actor !== undefined) inherited.actor = actor;
  if (activeClaim !== undefined) inherited.activeClaim = activeClaim;
  if (session !== undefined) inherited.sessionId = isSession ? session.id : session;
  if (correlationId !== undefined) inherited.correlationId = correlationId;
  if (visibleToActor !== undefined) inherited.visibleToActor = visibleToActor;
  return inherited;
}

/** Without what is undefined. */
function compact<T extends object>(given: { readonly [Name in keyof T]?: T[Name] | undefined }): T {
  const kept: Record<string, unknown> = {};
  for (const name in given) if (given[name] !== undefined) kept[name] = given[name];
  return kept as T;
}

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
import type { NewEvent } from '../client/event.ts';
import type { Parcel } from '../outbox/parcel.ts';
import type { Queryable } from '../outbox/statement.ts';
import { createAlone, topOf } from './alone.ts';
import { type Desk, noOutbox, type OpenCall, type OpenScope } from './call.ts';
import type { Inherited } from './draft.ts';
import { createEnding, type Ended } from './ending.ts';
import { RecorderError } from './errors.ts';
import { isExpectedError } from './failure.ts';
import { createReport, openSink } from './open-sink.ts';
import { openCall } from './opening.ts';
import { bad, checkOptions, type RecorderOptions } from './options.ts';
import { Outage } from './outage.ts';
import type { CallOptions, Recorder, RecordInOptions } from './recorder.ts';
import { createRedactor } from './redact.ts';
import type { GiveUp } from './room.ts';
import type { AddedEvent, Call } from './scope.ts';
import { openSession } from './session.ts';
import { writeOrReport } from './sink.ts';
import { addChild } from './tree.ts';
import { createWatch } from './watch.ts';
import { within } from './within.ts';
import { beginWork, closed as closedError, INSIDE, type OwnRecorder } from './work.ts';

type CallFunction<T> = (call: Call) => T | Promise<T>;

const ALONE_WITHIN_MS = 10_000;
/** Of the time for closing, what calls under way leave to what is done behind them. */
const BEHIND_CALLS = 1 / 5;

/** @throws RecorderError BAD_INPUT where the options do not fit together. */
export function createRecorder(options: RecorderOptions): Recorder {
  checkOptions(options);
  const { leaseMs = 15_000, closeTimeoutMs = 10_000, isExpected = isExpectedError } = options;
  const { markers: isMarking = true, strict: isStrict = false, keep: policy } = options;
  const report = createReport(options.onError);
  const redactor = createRedactor(options);
  const sink = openSink(options, leaseMs, report);
  const alone = createAlone(sink);
  const watch = createWatch(sink, report);
  const markerOutage = new Outage(report);
  const renewOutage = new Outage(report);
  const running = new AsyncLocalStorage<OpenScope>();
  const { maxCallEvents = 100_000 } = options;
  const desk: Desk = { sink, redactor, running, maxCallEvents, keepAlive: startBeating };
  const defaults = compact<Inherited>({ journal: options.journal, actor: options.actor });
  const opening = { desk, defaults };
  const ending = createEnding({ desk, watch, isExpected, report });
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

  async function runRoot<T>(name: string, options: CallOptions, fn: CallFunction<T>): Promise<T> {
    checkOpen();
    checkTransaction(options);
    begin();
    let giveUp: GiveUp | undefined;
    try {
      const room = sink.room();
      if (room !== null) giveUp = await room;
      const call = openCall(opening, name, options, null);
      if (options.marker ?? isMarking) await mark(call);
      const { ended, elapsedMs } = await runIn(call, fn);
      const { keep = policy, transaction } = options;
      const written = ending.finish(call, { ended, elapsedMs, keep, transaction });
      if (written !== null) await written;
      if ('error' in ended) throw ended.error;
      return ended.result;
    } finally {
      giveUp?.();
      end();
    }
  }

  function begin(): void {
    calls++;
  }

  function end(): void {
    calls--;
    if (calls === 0) for (const done of idle) done();
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
      await writeOrReport(sink, report, { parcels: [], ends: [call.id], marks: [] });
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
    const call = openCall(opening, name, options, parent);
    addChild(parent.node, call.node);
    const { ended, elapsedMs } = await runIn(call, fn);
    const { transaction } = options;
    const written = ending.finishNested(parent, call, { ended, elapsedMs, keep: undefined, transaction });
    if (written !== null) await written;
    if ('error' in ended) throw ended.error;
    return ended.result;
  }

  async function recordByItself(event: AddedEvent, options: RecordInOptions = {}): Promise<string> {
    checkOpen();
    checkTransaction(options);
    const { transaction, resources = [] } = options;
    // Behind the end of a call it is still who it was, and part of the same.
    const { inherited, redactor: own } = running.getStore()?.call ?? { inherited: defaults, redactor };
    const parcel = { ...alone.parcelOf(event, inherited, own), resources };
    const giveUp = transaction === undefined ? await sink.room() : null;
    await alone.write(parcel, transaction).finally(giveUp);
    return topOf(parcel).id;
  }

  function parcelOf({ journal, ...event }: NewEvent): Parcel {
    return alone.parcelOf(event, compact<Inherited>({ ...defaults, ...compact({ journal }) }), redactor);
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
      if (closed === null) renewOutage.failed(error);
    }
  }

  function checkTransaction({ transaction }: { readonly transaction?: Queryable }): void {
    if (transaction !== undefined && !sink.transactional) throw noOutbox();
  }

  function checkOpen(): void {
    if (closed !== null) throw closedError();
  }

  /** One deadline for all of it: what takes longer is left. */
  async function close(): Promise<void> {
    const deadline = performance.now() + closeTimeoutMs;
    const leftMs = () => Math.max(0, deadline - performance.now());
    const waitFor = (work: Promise<unknown>, ms: number) => within(work, ms, '').catch(() => {});
    if (calls > 0) {
      const ended = new Promise<void>((done) => idle.add(done));
      await waitFor(ended, closeTimeoutMs * (1 - BEHIND_CALLS));
    }
    if (heart !== null) clearInterval(heart);
    await waitFor(lookOnceMore(), leftMs() / 2);
    await sink.close(leftMs());
  }

  async function lookOnceMore(): Promise<void> {
    await beating;
    await watch.look().catch(report);
  }

  const recorder: OwnRecorder = {
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

    async recordAlone(event, options = {}) {
      checkOpen();
      const { acknowledged = false, withinMs = ALONE_WITHIN_MS } = options;
      const parcel = parcelOf(event);
      const { id } = topOf(parcel);
      if (acknowledged) return { id, kept: await alone.acknowledge(parcel, withinMs) };
      const giveUp = await sink.room();
      await alone.write(parcel).finally(giveUp);
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

    [INSIDE]: {
      redactor,
      isExpected,
      begin(isWithin) {
        begin();
        return beginWork({ sink, alone, parcelOf, isClosed: () => closed !== null, whenDone: end }, isWithin);
      },
    },
  };
  return recorder;
}

const NO_OPTIONS: CallOptions = Object.freeze({});

/** Without what is undefined. */
function compact<T extends object>(given: { readonly [Name in keyof T]?: T[Name] | undefined }): T {
  const kept: Record<string, unknown> = {};
  for (const name in given) if (given[name] !== undefined) kept[name] = given[name];
  return kept as T;
}

/**
 * Carries out actions on resources with their events around them.
 *
 *     start is recorded ──▶ the action runs ──▶ its end is recorded
 *       └─ it cannot be: refused, or goes on by configuration; then the end brings the start along
 *
 * The start is acknowledged before the action runs: nothing is done that the journal does not know of. It is a root,
 * also within a call: that is written when it ends, and nothing can hang below it before. Both are found together
 * by their correlation id, which is the call's own id where it has none. An action within an action hangs below its
 * start. A start without an end is one whose process was lost, or which goes on elsewhere.
 */
import { messageOf } from '../../base/errors.ts';
import type { NewEvent } from '../../client/event.ts';
import { newEventId } from '../../client/record.ts';
import { RecorderError } from '../errors.ts';
import type { Recorder } from '../recorder.ts';
import { insideOf, type Work } from '../work.ts';
import { defined, isWithin, type Said, type Surroundings, surroundings, within } from './around.ts';
import { type BulkOutcome, bulkEnd, bulkStart, settleAll } from './bulk.ts';
import { elapsed, failureOf, isTaken, mayBeThere, settle, UNRECORDED } from './end.ts';
import type { Outcome } from './events.ts';
import { below, placed } from './place.ts';
import type { ResourceType } from './resource-type.ts';
import { createSwitches, type SwitchOptions } from './switches.ts';

export interface BindingOptions<Event extends string = string> extends SwitchOptions<Event> {
  /**
   * What becomes of an action whose start cannot be recorded: by default it is not carried out, and UNRECORDED is
   * thrown. With `go on` it is; `onError` is told, and its start is recorded with its end, once that can be.
   */
  readonly onUnrecorded?: 'refuse' | 'go on';
  /** How long the start may take to be recorded, once there is room, in ms; 10 s. */
  readonly withinMs?: number;
  /** What `runAll` records: one event on top, one for each resource, or these below that one, as by default. */
  readonly bulk?: BulkEvents;
  /** Told what could not be recorded where nothing is thrown; left out: standard error. */
  readonly onError?: (sentence: string, error: unknown) => void;
}

export type BulkEvents = 'top' | 'each' | 'both';

export interface ActionOptions<Result = unknown> extends Said {
  /** Of the start. Left out: by its type's template. */
  readonly message?: string;
  /** Of the start; such as its type has: `values`, `params`. */
  readonly attributes?: Readonly<Record<string, unknown>>;
  readonly payload?: unknown;
  readonly privatePayload?: unknown;
  /** What of the result is to be told: the payload of the end. */
  readonly summary?: (result: Result) => unknown;
  /** The resource of the end, where there was none to name at the start: an id that was made meanwhile. */
  readonly created?: (result: Result) => string;
}

export interface BulkOptions<Result = unknown> extends Omit<ActionOptions<Result>, 'created'> {
  readonly bulk?: BulkEvents;
  /** How many run at a time; 1. */
  readonly concurrency?: number;
}

/** What runs, for its function to know. */
export interface Running {
  /** Of its start; null where that is switched off. */
  readonly id: string | null;
  /** `type/id` */
  readonly resource: string | null;
}

/**
 * An action that goes on elsewhere, as plain data: `JSON.stringify` it into a job. Who has it can end the action.
 * Where it is not known that the start is in the journal, as over an outbox, it holds all that the start says, for
 * the end to bring along; whoever ends it then records as the same subject.
 */
export interface ActionHandle extends Surroundings {
  /** Of its start; null where that is switched off. */
  readonly id: string | null;
  /** The event type of the start. */
  readonly type: string;
  readonly resource: string | null;
  readonly startedAtMs: number;
  /** Known before the end is: whoever ends it first has recorded the one that there is. */
  readonly endId: string;
}

export interface OpenAction {
  /**
   * Resolves when the end is recorded. `summary` is its payload.
   *
   * @throws RecorderError ALREADY_ENDED where it has been ended before; UNRECORDED where that could not be done:
   *   it can be tried again. Over an outbox, an end that comes second is found when it is moved into the journal.
   */
  complete(summary?: unknown): Promise<void>;
  /** @throws as `complete`. */
  fail(error: unknown): Promise<void>;
}

export interface Actions<Action extends string = string> {
  /**
   * @param resource its id, or `type/id`; null for one that has none yet: see `created`.
   * @returns what the function does. @throws what the function throws; RecorderError UNRECORDED where the start
   *   could not be recorded: then the function was not called.
   */
  run<Result>(
    action: Action,
    resource: string | null,
    fn: (running: Running) => Result | Promise<Result>,
  ): Promise<Result>;
  run<Result>(
    action: Action,
    resource: string | null,
    options: ActionOptions<NoInfer<Result>>,
    fn: (running: Running) => Result | Promise<Result>,
  ): Promise<Result>;
  /**
   * The same for each of several resources, one after the other unless `concurrency` says otherwise. One that fails
   * does not stop the others.
   *
   * @returns what became of each, in their order. @throws RecorderError UNRECORDED where the event on top could not
   *   be recorded: then nothing was done.
   */
  runAll<Result>(
    action: Action,
    resources: readonly string[],
    fn: (resource: string) => Result | Promise<Result>,
  ): Promise<BulkOutcome<Result>[]>;
  runAll<Result>(
    action: Action,
    resources: readonly string[],
    options: BulkOptions<NoInfer<Result>>,
    fn: (resource: string) => Result | Promise<Result>,
  ): Promise<BulkOutcome<Result>[]>;
  /** Records the start of an action that another process ends. @throws RecorderError UNRECORDED */
  begin(action: Action, resource: string | null, options?: BeginOptions): Promise<ActionHandle>;
  /** @param handle as `begin` returned it. @throws RecorderError BAD_INPUT for what is none of this type's. */
  resume(handle: ActionHandle): OpenAction;
}

export type BeginOptions = Omit<ActionOptions, 'summary' | 'created'>;

const WITHIN_MS = 10_000;

export function bindActions<Action extends string>(
  recorder: Recorder,
  { name, actions, eventTypes, journal }: ResourceType,
  layers: readonly BindingOptions[],
): Actions<Action> {
  const settings: BindingOptions = Object.assign({}, ...layers.map(defined));
  const { onUnrecorded = 'refuse', withinMs = WITHIN_MS } = settings;
  const inside = insideOf(recorder);
  const isOn = createSwitches(name, eventTypes, layers);

  /** Whoever is told must not be a failure of the action. */
  const onError = (sentence: string, error: unknown): void => {
    const tell = async () => (settings.onError ?? complain)(sentence, error);
    tell().catch(() => {});
  };

  const typeOf = (action: string): string => {
    if (!actions.some((each) => each === action)) {
      throw badInput(`${name} has no action ${JSON.stringify(action)}: it has ${actions.join(', ')}.`);
    }
    return `${name}.${action}`;
  };

  const refOf = (resource: string): string => {
    if (resource === '' || resource === `${name}/`) throw badInput(`A ${name} has an id that is not empty.`);
    return resource.startsWith(`${name}/`) ? resource : `${name}/${resource}`;
  };

  /** What is done as part of the work is waited for on closing, and what it brings is let in. */
  async function working<T>(fn: (work: Work) => Promise<T>): Promise<T> {
    const work = inside.begin(isWithin(recorder));
    try {
      return await fn(work);
    } finally {
      work.done();
    }
  }

  /** Starts an action, or refuses it. */
  async function start(
    work: Work,
    type: string,
    resource: string | null,
    options: BeginOptions,
  ): Promise<ActionHandle> {
    const { place, envelope } = surroundings(recorder, journal, options);
    const open = { type, resource, envelope, endId: newEventId(), startedAtMs: Date.now() };
    if (!isOn(type)) return { ...open, id: null, place };
    const { message, attributes, payload, privatePayload } = options;
    const given = defined({ message, attributes, payload, privatePayload });
    // Said, so that the event is the same when it is said again.
    const occurredAt = new Date(open.startedAtMs).toISOString();
    const event = { ...envelope, ...given, id: newEventId(), type, resource, occurredAt };
    const toRecord = placed(event, place);
    try {
      const kept = await work.start(toRecord, withinMs);
      const isKept = toRecord.id === event.id ? kept : null;
      return { ...open, id: event.id, place: below(event, place, isKept) };
    } catch (error) {
      const what = `the start of ${nameOf(open)} could not be recorded`;
      const unsure = { ...open, id: event.id, place: below(event, place, null) };
      if (onUnrecorded === 'go on') {
        onError(`The action goes on although ${what}.`, error);
        return unsure;
      }
      const sentence = `Nothing was done, for ${what}: ${messageOf(error)}`;
      const refusal = new RecorderError('UNRECORDED', sentence, { cause: error });
      // It may have been recorded although nobody said so: then it must not stand there as if it went on.
      if (mayBeThere(error)) await endLater(work, unsure, 'failed', UNRECORDED);
      throw refusal;
    }
  }

  function endOf(handle: ActionHandle, outcome: Outcome, told: Partial<NewEvent>): NewEvent | null {
    const type = `${handle.type}.${outcome}`;
    if (!isOn(type)) return null;
    const { resource, envelope, place, endId: id } = handle;
    const occurredAt = new Date().toISOString();
    return placed({ ...envelope, id, type, resource, occurredAt, ...told }, place);
  }

  /** Hands the end over; the recorder goes on trying. Never throws: what the action came to is not to be replaced. */
  async function endLater(
    work: Work,
    handle: ActionHandle,
    outcome: Outcome,
    told: Partial<NewEvent>,
  ): Promise<void> {
    try {
      const event = endOf(handle, outcome, told);
      if (event !== null) await work.record(event);
    } catch (error) {
      onError(`The end of ${nameOf(handle)} could not be recorded.`, error);
    }
  }

  /** What the application finds out about a result for the end, which is recorded also where that fails. */
  function found<T>(what: string, handle: ActionHandle, find: () => T): T | undefined {
    try {
      return find();
    } catch (error) {
      onError(`The end of ${nameOf(handle)} is recorded without ${what}.`, error);
      return undefined;
    }
  }

  /** Records the end and waits for it. @throws RecorderError */
  async function endNow(handle: ActionHandle, outcome: Outcome, told: Partial<NewEvent>): Promise<void> {
    const event = endOf(handle, outcome, told);
    if (event === null) return;
    try {
      await recorder.recordAlone(event, { acknowledged: true, withinMs });
    } catch (error) {
      throw isTaken(error, handle.endId) ? alreadyEnded(handle, error) : error;
    }
  }

  function run<Result>(
    type: string,
    resource: string | null,
    { summary, created, ...given }: ActionOptions<Result>,
    fn: (running: Running) => Result | Promise<Result>,
  ): Promise<Result> {
    return working(async (work) => {
      const handle = await start(work, type, resource, given);
      const startedAt = performance.now();
      const outcome = await settle(() => within(recorder, handle, () => fn({ id: handle.id, resource })));
      const elapsedMs = performance.now() - startedAt;
      if (outcome.status === 'rejected') {
        await endLater(work, handle, 'failed', failureOf(outcome.reason, elapsedMs, inside));
        throw outcome.reason;
      }
      const { value } = outcome;
      const told = {
        payload: summary && found('its summary', handle, () => summary(value)),
        resource: created && found('the resource that was created', handle, () => refOf(created(value))),
      };
      await endLater(work, handle, 'completed', { attributes: elapsed(elapsedMs), ...defined(told) });
      return value;
    });
  }

  async function runAll<Result>(
    type: string,
    refs: readonly string[],
    { bulk = settings.bulk ?? 'both', concurrency = 1, summary, message, ...given }: BulkOptions<Result>,
    fn: (resource: string) => Result | Promise<Result>,
  ): Promise<BulkOutcome<Result>[]> {
    if (!(concurrency >= 1)) throw badInput(`At least one at a time: concurrency is ${concurrency}.`);
    if (refs.length === 0) return [];
    const { envelope } = surroundings(recorder, journal, given);
    // Without an event on top it is by this that they are found together.
    const shared = { ...given, correlationId: envelope.correlationId ?? newEventId() };
    const one = { ...shared, ...(summary !== undefined && { summary }) };
    const runOne = (ref: string) => run(type, ref, one, () => fn(ref));
    if (bulk === 'each') return settleAll(refs, concurrency, runOne);

    const words = type.slice(name.length + 1).replaceAll(/[-_]/g, ' ');
    const many = `${name} × ${refs.length}`;
    return working(async (work) => {
      const top = await start(work, type, null, {
        ...shared,
        message: message ?? `${envelope.actor ?? 'Somebody'} set out to ${words} ${many}`,
        payload: bulkStart(refs, inside.redactor),
      });
      const startedAt = performance.now();
      const outcomes = await within(recorder, top, () =>
        settleAll(refs, concurrency, bulk === 'both' ? runOne : async (ref) => fn(ref)),
      );
      const elapsedMs = performance.now() - startedAt;
      const outcome = outcomes.some(({ status }) => status === 'rejected') ? 'failed' : 'completed';
      const told = bulkEnd(`The ${words} of ${many}`, outcomes, elapsedMs, inside);
      await endLater(work, top, outcome, told);
      return outcomes;
    });
  }

  function resume(handle: ActionHandle): OpenAction {
    if (!isHandle(handle) || !actions.some((action) => `${name}.${action}` === handle.type)) {
      throw badInput(`This is no handle of an action of ${name}: give what begin() answered.`);
    }
    const elapsedMs = () => Math.max(0, Date.now() - handle.startedAtMs);
    return {
      complete: (summary) =>
        endNow(handle, 'completed', {
          attributes: elapsed(elapsedMs()),
          ...(summary !== undefined && { payload: summary }),
        }),
      fail: (error) => endNow(handle, 'failed', failureOf(error, elapsedMs(), inside)),
    };
  }

  return {
    async run<Result>(
      action: Action,
      resource: string | null,
      ...rest: Rest<ActionOptions<Result>, Running, Result>
    ) {
      const [options, fn] = rest.length === 1 ? [{}, rest[0]] : rest;
      return run(typeOf(action), resource === null ? null : refOf(resource), options, fn);
    },
    async runAll<Result>(
      action: Action,
      resources: readonly string[],
      ...rest: Rest<BulkOptions<Result>, string, Result>
    ) {
      const [options, fn] = rest.length === 1 ? [{}, rest[0]] : rest;
      return runAll(typeOf(action), resources.map(refOf), options, fn);
    },
    async begin(action, resource, options = {}) {
      const [type, ref] = [typeOf(action), resource === null ? null : refOf(resource)];
      return working((work) => start(work, type, ref, options));
    },
    resume,
  };
}

/** What follows a resource: the function, or options and the function. */
type Rest<Options, Given, Result> =
  | readonly [(given: Given) => Result | Promise<Result>]
  | readonly [Options, (given: Given) => Result | Promise<Result>];

/** `deployment.start of deployment/1` */
function nameOf({ type, resource }: Pick<ActionHandle, 'type' | 'resource'>): string {
  return resource === null ? type : `${type} of ${resource}`;
}

function alreadyEnded(handle: ActionHandle, cause: unknown): RecorderError {
  const sentence = `The end of ${nameOf(handle)} has been recorded before.`;
  return new RecorderError('ALREADY_ENDED', sentence, { cause });
}

/** As far as it says so itself: a handle comes from another process. */
function isHandle(given: unknown): given is ActionHandle {
  if (typeof given !== 'object' || given === null) return false;
  const { type, endId, startedAtMs, envelope, place } = given as Readonly<Record<string, unknown>>;
  return (
    typeof type === 'string' &&
    typeof endId === 'string' &&
    typeof startedAtMs === 'number' &&
    typeof envelope === 'object' &&
    envelope !== null &&
    typeof place === 'object'
  );
}

function badInput(sentence: string): RecorderError {
  return new RecorderError('BAD_INPUT', sentence);
}

function complain(sentence: string, error: unknown): void {
  console.error(sentence, error);
}

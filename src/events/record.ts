/**
 * Recording: from what a client sent to events in the journal. Answers once they are committed.
 *
 *     draft ──▶ queue ──▶ look up ──▶ admit ──▶ append ──▶ announce
 *    (request)           └────────── (batch) ──────────┘
 *
 * Requests that arrive while a batch commits wait and make up the next one (group commit): one statement
 * and one write to disk for all of them. Each request is still all or nothing, and one that is refused
 * takes none of its neighbours with it.
 *
 * A commit whose outcome is unknown, because the connection broke under it, is tried again with the same
 * ids: what had been written is then found, not written twice.
 */
import { DATA, type Level } from '../access/acl.ts';
import { isAnonymous, type Principal } from '../access/principal.ts';
import { checkToken } from '../access/revocation.ts';
import { EventreeError } from '../base/errors.ts';
import { nextDelay, pause } from '../base/retry.ts';
import type { Database } from '../db/database.ts';
import { isAway, isLostRace } from '../db/trouble.ts';
import { admit, judgedResources, type Known, unauthenticated } from './admit.ts';
import { type Appended, append, type Batch, type Entry, StaleJudgement } from './append.ts';
import { ACL_CHANGE, isReserved } from './builtin.ts';
import {
  type Draft,
  type DraftLimits,
  draftEvents,
  explained,
  place,
  type RecordEventInput,
} from './draft.ts';
import type { Position, SeenEvent } from './event.ts';
import type { Journal, Journals } from './journal.ts';
import { createLookUp } from './look-up.ts';
import type { UnjudgedEvent } from './read.ts';
import type { Registry } from './registry.ts';
import type { RegistryStore } from './registry-store.ts';
import { levelOfEvent } from './visibility.ts';

export interface RecordLimits extends DraftLimits {
  readonly maxPendingEvents: number;
}

/** A committed batch, in journal order, each event with the ACL it was recorded under. */
export interface Announcement {
  readonly journal: Journal;
  readonly firstPosition: Position;
  readonly events: readonly UnjudgedEvent[];
  /** Of the registry it was recorded by: a node that shows it must know what is private in that. */
  readonly registryVersion: number;
}

export interface RecordingOptions {
  readonly database: Database;
  readonly registry: RegistryStore;
  readonly journals: Journals;
  readonly limits: RecordLimits;
  /** Of the installation, the same on all nodes. */
  readonly idKey: Uint8Array;
  /** Called after each commit; two that follow each other closely may change places. */
  readonly announce: (announcement: Announcement) => void;
  readonly now?: () => number;
}

export interface Recording {
  /**
   * Records a batch: all or none, in this order.
   *
   * @returns the top-level events, as the recorder may see them.
   * @throws what is wrong with the batch, with `at` and `index`; UNAVAILABLE where the database cannot be
   *   reached or too much is waiting already: recording again with the same ids is then safe.
   */
  record(inputs: readonly RecordEventInput[], principal: Principal): Promise<SeenEvent[]>;
  /**
   * Whether events could be recorded, each by itself, a moment from now; nothing is. They may be of several journals.
   *
   * @throws as `record` does, but for parents: they may be recorded by then.
   */
  check(inputs: readonly RecordEventInput[], principal: Principal): Promise<void>;
  /** Events that wait to be written. */
  pending(): number;
  /** Resolves when nothing waits any more. */
  drained(): Promise<void>;
}

interface Request {
  readonly principal: Principal;
  readonly draft: (registry: Registry) => Draft[];
  drafts: readonly Draft[];
  registryVersion: number;
  readonly resolve: (events: SeenEvent[]) => void;
  readonly reject: (error: unknown) => void;
}

/** Requests of one journal that wait, and who is at work on them. */
interface Queue {
  readonly requests: Request[];
  /** In the requests that wait. */
  events: number;
  writers: number;
}

const BATCH_EVENTS = 250;
/** One batch is made ready while the other commits; the journal's lock lets no more of them through. */
const MAX_WRITERS = 2;
/** Enough to be worth a commit of their own, made ready while another waits for the disk. */
const SECOND_WRITER_EVENTS = 24;
const RETRY_FOR_MS = 10_000;
const RETRY = { firstMs: 20, mostMs: 1_000 };

export function createRecording(options: RecordingOptions): Recording {
  const { database, registry, journals, limits, idKey, announce, now = Date.now } = options;
  const lookUp = createLookUp(database.pool);
  const queues = new Map<number, Queue>();
  const working = new Set<Promise<void>>();
  let pending = 0;

  function enqueue(journal: Journal, request: Request): void {
    const queue = queues.get(journal.id) ?? { requests: [], events: 0, writers: 0 };
    queues.set(journal.id, queue);
    queue.requests.push(request);
    queue.events += request.drafts.length;
    if (queue.writers === 0 || (queue.writers < MAX_WRITERS && queue.events >= SECOND_WRITER_EVENTS)) {
      const work = write(journal, queue).finally(() => working.delete(work));
      working.add(work);
    }
  }

  /** Writes from a journal's queue until it is empty; a second writer only while enough waits for it. */
  async function write(journal: Journal, queue: Queue): Promise<void> {
    queue.writers++;
    while (queue.requests.length > 0 && (queue.writers === 1 || queue.events >= SECOND_WRITER_EVENTS)) {
      await commit(journal, takeBatch(queue));
    }
    queue.writers--;
    if (queue.writers === 0) queues.delete(journal.id);
  }

  async function commit(journal: Journal, requests: readonly Request[]): Promise<void> {
    const deadline = now() + RETRY_FOR_MS;
    for (let attempt = 0; ; attempt++) {
      try {
        return await commitOnce(journal, requests, attempt > 0);
      } catch (error) {
        const away = isAway(error);
        const canRetry = away || isLostRace(error) || error instanceof StaleJudgement;
        if (!canRetry && requests.length > 1) {
          // One of them upset the database in a way the checks did not foresee: the others must not pay.
          for (const request of requests) await commit(journal, [request]);
          return;
        }
        if (!canRetry || now() >= deadline) {
          for (const request of requests) request.reject(canRetry ? unavailable(error) : error);
          return;
        }
        if (away || attempt > 0) await pause(nextDelay(attempt, RETRY));
      }
    }
  }

  /** @param fresh look everything up again, ids too: what was known may be wrong. */
  async function commitOnce(journal: Journal, requests: readonly Request[], fresh: boolean): Promise<void> {
    // An append is refused by the database where the registry at hand is old; what is not kept is not appended.
    const isUnkept = requests.some(({ drafts }) => drafts.some(({ event }) => !event.kept));
    const inForce = fresh || isUnkept ? await registry.refresh() : registry.current();
    const waiting = requests.filter((request) => redraft(request, inForce));
    const known = await lookUp.forDrafts(
      waiting.flatMap(({ drafts }) => drafts),
      { fresh },
    );

    const entries: Entry[] = [];
    const admitted: Request[] = [];
    const doubtful: Request[] = [];
    for (const request of waiting) {
      try {
        checkToken(request.principal, inForce.revocations);
        entries.push(...admit(request.drafts, request.principal, known, limits));
        admitted.push(request);
      } catch (error) {
        if (fresh) request.reject(error);
        else doubtful.push(request);
      }
    }
    if (admitted.length > 0) {
      const accepted = entries.length > 0 ? admitted : await confirmed(admitted);
      await finish(journal, inForce, accepted, entries, known);
    }
    // What was remembered may be out of date: nobody is refused by it.
    if (doubtful.length > 0) await commitOnce(journal, doubtful, true);
  }

  /** What is not appended is not judged under the journal's lock: the database is asked about its tokens here. */
  async function confirmed(requests: readonly Request[]): Promise<Request[]> {
    const { revocations } = await registry.refresh();
    return requests.filter(({ principal, reject }) => {
      try {
        checkToken(principal, revocations);
        return true;
      } catch (error) {
        reject(error);
        return false;
      }
    });
  }

  async function finish(
    journal: Journal,
    inForce: Registry,
    requests: readonly Request[],
    entries: readonly Entry[],
    known: Known,
  ): Promise<void> {
    const resources = judgedResources(entries, known);
    const batch = { journal, registryVersion: inForce.version, resources, entries };
    const appended = entries.length === 0 ? null : await append(database.pool, batch);

    if (appended !== null) placeAll(entries, appended);
    lookUp.remember(resources, known);
    const unplaced = requests.some(({ drafts }) => drafts.some(({ event }) => !event.kept));
    if (unplaced) {
      const before = appended === null ? await lookUp.head(journal) : appended.firstPosition - 1;
      placeUnkept(requests, before, now());
    }
    for (const request of requests) request.resolve(answer(request, known));
    if (appended !== null) announce(toAnnouncement(batch, appended, known));
  }

  function drafting(inputs: readonly RecordEventInput[], principal: Principal) {
    return (by: Registry) =>
      refuseReserved(draftEvents(inputs, { principal, registry: by, limits, idKey, nowMs: now() }));
  }

  return {
    async record(inputs, principal) {
      if (inputs.length === 0) return [];
      const draft = drafting(inputs, principal);
      const { drafts, registryVersion } = await draftByLatest(draft, registry);
      if (pending > 0 && pending + drafts.length > limits.maxPendingEvents) {
        throw new EventreeError(
          'UNAVAILABLE',
          'Too many events are waiting to be written: try again in a moment.',
        );
      }
      const name = inputs[0]?.journal as string;
      if (isAnonymous(principal) && (await journals.find(name)) === null) throw unauthenticated();
      const journal = await journals.findOrCreate(name);
      pending += drafts.length;
      return new Promise<SeenEvent[]>((resolve, reject) => {
        enqueue(journal, { principal, draft, drafts, registryVersion, resolve, reject });
      }).finally(() => {
        pending -= drafts.length;
      });
    },
    async check(inputs, principal) {
      const each = <T, R>(items: readonly T[], work: (item: T) => R) =>
        items.map((item, index) => explained({ index, nth: index, above: null }, () => work(item)));
      const { drafts } = await draftByLatest(
        (by) => each(inputs, (input) => drafting([{ ...input, parentId: null }], principal)(by)),
        registry,
      );
      const known = await lookUp.forDrafts(drafts.flat(), { fresh: true });
      each(drafts, (own) => admit(own, principal, known, limits));
    },
    pending: () => pending,
    async drained() {
      await Promise.all(working);
    },
  };
}

/** What streams and index take for a change of rights is written by own-event.ts and nobody else. */
function refuseReserved(drafts: Draft[]): Draft[] {
  const reserved = drafts.find(({ event }) => isReserved(event.type));
  if (reserved === undefined) return drafts;
  const { type } = reserved.event;
  return explained(reserved.place, () => {
    throw new EventreeError(
      'FORBIDDEN',
      `Events of type ${type} are recorded by the server itself, where rights change: use ${type === ACL_CHANGE ? 'setResourceAcl' : 'revokeTokens'}.`,
    );
  });
}

/** Drafts by the registry at hand; what it refuses may be known to a newer one. */
async function draftByLatest<T>(draft: (registry: Registry) => T, store: RegistryStore) {
  const registry = store.current();
  try {
    return { drafts: draft(registry), registryVersion: registry.version };
  } catch (error) {
    const newer = await store.refresh();
    if (newer.version === registry.version) throw error;
    return { drafts: draft(newer), registryVersion: newer.version };
  }
}

/** Whether the request stands by this registry; one that does not is answered. */
function redraft(request: Request, registry: Registry): boolean {
  if (request.registryVersion === registry.version) return true;
  try {
    request.drafts = request.draft(registry);
    request.registryVersion = registry.version;
    return true;
  } catch (error) {
    request.reject(error);
    return false;
  }
}

function takeBatch(queue: Queue): Request[] {
  let events = 0;
  const end = queue.requests.findIndex((request) => {
    events += request.drafts.length;
    return events >= BATCH_EVENTS;
  });
  queue.events -= events;
  return queue.requests.splice(0, end === -1 ? queue.requests.length : end + 1);
}

function placeAll(entries: readonly Entry[], { firstPosition, recordedAt }: Appended): void {
  entries.forEach(
    ({ draft, path }, nth) => void place(draft, path, (firstPosition + nth) as Position, recordedAt),
  );
}

/**
 * Events of disabled types stand nowhere. A reader who goes on from one misses nothing: it has the place of
 * what was recorded before it.
 */
function placeUnkept(requests: readonly Request[], before: number, recordedAt: number): void {
  let last = before;
  for (const draft of requests.flatMap(({ drafts }) => drafts)) {
    if (draft.event.kept) last = Math.max(last, draft.event.position);
    else place(draft, [], last as Position, recordedAt);
  }
}

/** A request's top-level events. Who records an event may read in the answer what they sent. */
function answer({ drafts, principal }: Request, known: Known): SeenEvent[] {
  return drafts
    .filter(({ place: { above } }) => above === null)
    .map((draft) => {
      // What is not kept is nobody else's event, whatever id it came with.
      const there = draft.event.kept ? known.events.get(draft.event.id) : undefined;
      const event = there?.event ?? draft.event;
      const level = levelOfEvent(event, there?.acl ?? null, principal.claims);
      return { event, level: Math.max(level, DATA) as Exclude<Level, 0> };
    });
}

function toAnnouncement(
  { journal, registryVersion, entries }: Batch,
  { firstPosition }: Appended,
  known: Known,
): Announcement {
  const events = entries.map(({ draft: { event } }) => ({
    event,
    acl: known.events.get(event.id)?.acl ?? null,
  }));
  return { journal, firstPosition, events, registryVersion };
}

function unavailable(cause: unknown): EventreeError {
  const sentence = isAway(cause)
    ? 'The database cannot be reached; whether the events were recorded is not known. Record them again with the same ids.'
    : 'Rights and types change faster than the events can be judged by them: record them again in a moment.';
  return new EventreeError('UNAVAILABLE', sentence, {}, cause);
}

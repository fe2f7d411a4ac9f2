/**
 * Records parcels by an API, so that recording them again adds nothing: resources first, then events under the ids
 * that they came with, parents before children.
 *
 * A process that was taken for gone may come back. What it then writes finds its call recorded as lost, under the
 * call's own id: the call gets a new one below it, and what hangs below the call stays where it is.
 */
import { derivedUuid7, timeOfUuid7 } from '../base/uuid7.ts';
import type { TakenParcel } from './claim.ts';
import type { Author, PlacedEvent, ResourcePut } from './parcel.ts';

/** An API to record by. Both throw an error with the API's `code` and `facts`. */
export interface Delivering {
  /** @param events all of one journal. All are recorded or none. */
  record(events: readonly PlacedEvent[], author: Author | null): Promise<void>;
  put(resource: ResourcePut, author: Author | null): Promise<void>;
}

/** What an API refuses, where it does not come as an error of the client. */
export class DeliveryError extends Error {
  override readonly name = 'DeliveryError';
  readonly code: string;
  readonly facts: Readonly<Record<string, unknown>>;

  constructor(
    code: string,
    message: string,
    facts: Readonly<Record<string, unknown>>,
    options?: { readonly cause: unknown },
  ) {
    super(message, options);
    this.code = code;
    this.facts = facts;
  }
}

/** Records what parcels of one author hold. @throws what the API throws. */
export type Deliver = (parcels: readonly TakenParcel[]) => Promise<void>;

/** The parent is not there; or the event is, below another one: it was recorded by a relay that was killed then. */
const ELSEWHERE = ['NOT_FOUND', 'ID_CONFLICT'];
const MOST_EVENTS = 500;
/** Of JSON, in characters: requests are limited too. */
const MOST_CHARS = 4_000_000;

/** @param mostEvents that the API takes at once. */
export function createDeliver(by: Delivering, mostEvents = MOST_EVENTS): Deliver {
  const most = Math.min(mostEvents, MOST_EVENTS);

  /** Records the events, each call that is there as lost under a new id. */
  async function recordAll(events: readonly PlacedEvent[], author: Author | null): Promise<void> {
    for (const chunk of chunksOf(events, most)) {
      for (let sent = chunk; ; ) {
        try {
          await by.record(sent, author);
          break;
        } catch (error) {
          const late = lateAmong(sent, error);
          if (late === null) throw error;
          sent = sent.map((event) => (event === late ? belowItself(event) : event));
        }
      }
    }
  }

  /**
   * Records a parcel below the scope that it was written in, or the nearest above it that was kept: where its type is
   * disabled, the scope has ended and is nowhere.
   */
  async function recordOne({ events, author, chain }: TakenParcel): Promise<void> {
    let refusal: unknown = null;
    for (let level = 0; level <= chain.length; level++) {
      const parentId = chain[level] ?? null;
      try {
        await recordAll(
          level === 0
            ? events
            : events.map((event) => (event.parentId === chain[0] ? { ...event, parentId } : event)),
          author,
        );
        return;
      } catch (error) {
        refusal ??= error;
        if (!ELSEWHERE.includes(codeOf(error) ?? '')) throw error;
      }
    }
    throw refusal;
  }

  /**
   * Records what a marker held. Its scope may have been recorded by whoever ran it: then it is not lost. What it was
   * part of may never have been recorded: then it is evidence by itself.
   */
  async function recordLost({ events, author }: TakenParcel): Promise<void> {
    try {
      await recordAll(events, author);
    } catch (error) {
      if (codeOf(error) === 'ID_CONFLICT') return;
      const isBelow = events.some(({ parentId }) => parentId != null);
      if (codeOf(error) !== 'NOT_FOUND' || !isBelow) throw error;
      await recordAll(
        events.map((event) => ({ ...event, parentId: null })),
        author,
      );
    }
  }

  return async (parcels) => {
    const [first] = parcels;
    if (first === undefined) return;
    if (parcels.length === 1 && first.lost) return recordLost(first);
    const { author } = first;
    for (const resource of parcels.flatMap(({ resources }) => resources)) await by.put(resource, author);
    if (parcels.length === 1) return recordOne(first);
    const together = parcels.flatMap(({ events }) => events);
    // What is not taken at once is parted where a parcel ends, as far as that can be.
    const whole = chunksOf(together, most).length > 1 ? parcels.map(({ events }) => events) : [together];
    for (const events of whole) await recordAll(events, author);
  };
}

/** In their order, as many at once as are taken at once; all of a chunk belong to one journal. */
export function chunksOf(events: readonly PlacedEvent[], mostEvents: number): PlacedEvent[][] {
  const chunks: PlacedEvent[][] = [];
  let chars = 0;
  for (const event of events) {
    const chunk = chunks.at(-1);
    const size = JSON.stringify(event).length;
    chars += size;
    const fits =
      chunk !== undefined &&
      chunk.length < mostEvents &&
      chars <= MOST_CHARS &&
      journalOf(chunk[0] as PlacedEvent) === journalOf(event);
    if (fits) {
      chunk.push(event);
    } else {
      chunks.push([event]);
      chars = size;
    }
  }
  return chunks;
}

function journalOf({ journal }: PlacedEvent): string {
  return journal ?? 'main';
}

/** The event that could not be recorded because it stands there as lost; null where that is not why. */
export function lateAmong(events: readonly PlacedEvent[], error: unknown): PlacedEvent | null {
  const { facts } = error as { readonly facts?: { readonly index?: unknown; readonly lost?: unknown } };
  if (codeOf(error) !== 'ID_CONFLICT' || facts?.lost !== true) return null;
  const event = events[Number(facts.index)];
  return event === undefined || event.type === 'call_lost' ? null : event;
}

/** The id follows from the old one: recorded again, it adds nothing. */
export function belowItself(event: PlacedEvent): PlacedEvent {
  return { ...event, id: derivedUuid7(timeOfUuid7(event.id), `late ${event.id}`), parentId: event.id };
}

/** What an API's error is known by; undefined for what is none. */
export function codeOf(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return typeof code === 'string' ? code : undefined;
}

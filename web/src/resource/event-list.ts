/**
 * The events of one resource that are held: newest first, never more than MOST_HELD. Pure.
 *
 * Of what is held, so many are shown; "Show older" first shows what is held and then reads on.
 */
import type { Category, EventPage, LineNode } from '../../../src/client/index.ts';

export interface ResourceEvent extends LineNode {
  readonly category: Category;
  /** Null where the viewer sees the envelope only. */
  readonly attributes: Readonly<Record<string, unknown>> | null;
  readonly parent: { readonly id: string } | null;
}

export interface EventList {
  readonly events: readonly ResourceEvent[];
  readonly shown: number;
  /** Where the next older page begins; null where all that is older is here. */
  readonly olderCursor: string | null;
}

export const MOST_HELD = 2_000;
/** How many "Show older" adds. */
export const STEP = 100;

type Page = EventPage<ResourceEvent>;

export function listOf({ nodes, pageInfo }: Page): EventList {
  return { events: nodes, shown: STEP, olderCursor: pageInfo.hasNextPage ? pageInfo.endCursor : null };
}

/** @param arrived oldest first, as a stream tells them. */
export function withArrived(list: EventList, arrived: readonly ResourceEvent[]): EventList {
  const events = [...arrived.toReversed(), ...list.events];
  // What somebody reads is not pushed out of sight by what comes.
  const shown = Math.min(list.shown + arrived.length, MOST_HELD);
  if (events.length <= MOST_HELD) return { ...list, events, shown };
  const kept = events.slice(0, MOST_HELD);
  return { events: kept, shown, olderCursor: kept.at(-1)?.cursor ?? null };
}

/** @param page what lies behind `olderCursor`. */
export function withOlder(list: EventList, page: Page): EventList {
  const { olderCursor } = listOf(page);
  const events = [...list.events, ...page.nodes];
  const kept = events.slice(0, MOST_HELD);
  return {
    events: kept,
    shown: Math.min(list.shown + STEP, MOST_HELD),
    olderCursor: kept.length < events.length ? (kept.at(-1)?.cursor ?? null) : olderCursor,
  };
}

/** Whether more can be shown without reading. */
export function holdsMore({ events, shown }: EventList): boolean {
  return shown < events.length;
}

export interface Day {
  readonly day: string;
  readonly events: readonly ResourceEvent[];
}

/** In the order of the journal: a day comes twice where what happened before was recorded later. */
export function byDay(events: readonly ResourceEvent[], dayOf: (iso: string) => string): Day[] {
  const days: { day: string; events: ResourceEvent[] }[] = [];
  for (const event of events) {
    const day = dayOf(event.occurredAt);
    const last = days.at(-1);
    if (last?.day === day) last.events.push(event);
    else days.push({ day, events: [event] });
  }
  return days;
}

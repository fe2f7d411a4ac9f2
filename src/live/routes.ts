/**
 * Who is to be told of an event, looked up and not tried: by what the event has that filters ask for, and
 * within that by the claims that see it.
 *
 *     event ──▶ everybody, and for each field that some filter needs: field = value
 *                   └──▶ claims that see the event ──▶ readers, each with its level
 *
 * So cost follows how many want an event and may see it, and not how many are there.
 */
import { type Acl, type Level, PRIVATE } from '../access/acl.ts';
import { ADMIN, type Claim } from '../access/claim.ts';
import type { Event } from '../events/event.ts';
import { keyOf, type Need } from '../events/filter/filter-need.ts';
import { viewersOf } from '../events/visibility.ts';

/** What readers are found by. */
export interface Routed {
  readonly claims: ReadonlySet<Claim>;
  readonly need: Need | null;
}

export interface Routes<R extends Routed> {
  add(reader: R): void;
  remove(reader: R): void;
  /** Calls once for each reader that may see the event and may want it, with the level at which it sees it. */
  visit(event: Event, acl: Acl | null, tell: (reader: R, level: Exclude<Level, 0>) => void): void;
  /** Readers that hold any of the claims. */
  holding(claims: Iterable<Claim>): Set<R>;
  all(): Iterable<R>;
}

/** In which one reader is filed. Who would be filed in more is asked about each event instead. */
const MAX_PLACES = 500;

type ByClaim<R> = Map<Claim, Set<R>>;

export function createRoutes<R extends Routed>(): Routes<R> {
  const readers = new Set<R>();
  const unbound: ByClaim<R> = new Map();
  /** All that are bound, whatever to. */
  const boundAnyhow: ByClaim<R> = new Map();
  /** By field, then by what the event must have there. */
  const bound = new Map<string, Map<string, ByClaim<R>>>();

  function placesOf({ need, claims }: R): ByClaim<R>[] {
    if (need === null || need.keys.length * claims.size > MAX_PLACES) return [unbound];
    const byKey = bound.get(need.field) ?? new Map<string, ByClaim<R>>();
    bound.set(need.field, byKey);
    const places = need.keys.map((key) => {
      const place = byKey.get(key) ?? new Map<Claim, Set<R>>();
      byKey.set(key, place);
      return place;
    });
    return [boundAnyhow, ...places];
  }

  function forgetPlaces({ need }: R): void {
    const byKey = need === null ? undefined : bound.get(need.field);
    if (need === null || byKey === undefined) return;
    for (const key of need.keys) if (byKey.get(key)?.size === 0) byKey.delete(key);
    if (byKey.size === 0) bound.delete(need.field);
  }

  return {
    add(reader) {
      readers.add(reader);
      for (const place of placesOf(reader)) put(place, reader);
    },

    remove(reader) {
      if (!readers.delete(reader)) return;
      for (const place of placesOf(reader)) take(place, reader);
      forgetPlaces(reader);
    },

    visit(event, acl, tell) {
      const places = [unbound];
      for (const [field, byKey] of bound) {
        const key = keyOf(event, field);
        const place = key === null ? undefined : byKey.get(key);
        if (place !== undefined) places.push(place);
      }
      const viewers: [Claim, Level][] = [...viewersOf(event, acl), [ADMIN, PRIVATE]];
      const found: { readonly readers: Set<R>; readonly level: Exclude<Level, 0> }[] = [];
      for (const [claim, level] of viewers) {
        for (const place of places) {
          const readers = place.get(claim);
          if (readers !== undefined) found.push({ readers, level: level as Exclude<Level, 0> });
        }
      }
      const [only] = found;
      if (only !== undefined && found.length === 1) {
        for (const reader of only.readers) tell(reader, only.level);
        return;
      }
      // Who holds several of the claims sees the event at the highest level that one of them gives.
      const levels = new Map<R, Exclude<Level, 0>>();
      for (const { readers, level } of found) {
        for (const reader of readers) if (level > (levels.get(reader) ?? 0)) levels.set(reader, level);
      }
      for (const [reader, level] of levels) tell(reader, level);
    },

    holding(claims) {
      const found = new Set<R>();
      for (const claim of claims) {
        for (const place of [unbound, boundAnyhow]) {
          for (const reader of place.get(claim) ?? []) found.add(reader);
        }
      }
      return found;
    },

    all: () => readers,
  };
}

function put<R extends Routed>(place: ByClaim<R>, reader: R): void {
  for (const claim of reader.claims) place.set(claim, (place.get(claim) ?? new Set()).add(reader));
}

function take<R extends Routed>(place: ByClaim<R>, reader: R): void {
  for (const claim of reader.claims) {
    const others = place.get(claim);
    others?.delete(reader);
    if (others?.size === 0) place.delete(claim);
  }
}

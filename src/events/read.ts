/**
 * Reading the journal for somebody: pages in journal order, single events, counts and statistics. Every statement here
 * goes through the visibility rule (row.ts); the index only says where to look.
 *
 *     head ◀── read directly ── indexed ◀── by way of the index ── oldest
 *
 * A page sees the journal as it was at its first statement: positions above the head read then are left
 * out, so a page and the cursor it ends with always fit together. That statement also tells by which version
 * of the registry it is to be judged, and so whether the reader's token still held then.
 */
import type { Acl } from '../access/acl.ts';
import type { Principal } from '../access/principal.ts';
import { type ResourceRow, toResource } from '../access/resource.ts';
import { checkToken, type Revocations } from '../access/revocation.ts';
import type { Database } from '../db/database.ts';
import type { Event, EventId, Position, SeenEvent } from './event.ts';
import { type Condition, type EventFilterInput, namedEvents, parseFilter } from './filter/filter.ts';
import { countBits } from './index/bits.ts';
import { type NamedEvent, planSearch } from './index/plan.ts';
import type { RangeLimits } from './index/resolve.ts';
import { openSearch } from './index/search.ts';
import type { Direction } from './index/term-rows.ts';
import type { Journal } from './journal.ts';
import type { RegistryStore } from './registry-store.ts';
import { EVENT_COLUMNS, EVENT_TYPES, type EventRow, levelSql, toEvent, toSeenEvent } from './row.ts';
import { createSelection, type SeenRow } from './select.ts';
import { between, ParameterList } from './source.ts';
import { readStatistics, type Statistics, type Wanted } from './statistics.ts';
import {
  checkTime,
  FIRST_LOOK,
  inTime,
  lookThrough,
  type Task,
  type Visitor,
  walk,
  windows,
} from './walk.ts';

export interface PageRequest {
  readonly journal: Journal;
  readonly filter: Condition;
  readonly direction: Direction;
  /** Positions above this one only; 0 for all. */
  readonly above: number;
  /** Positions below this one only; Infinity for all. */
  readonly below: number;
  readonly limit: number;
}

export type WholeRequest = Pick<PageRequest, 'journal' | 'filter'>;

export interface Page {
  /** In the direction asked for. */
  readonly events: readonly SeenEvent[];
  /** The head of the journal when the page was read. */
  readonly head: Position;
}

export interface Reader {
  /** The filter by the registry in force. @throws UNKNOWN_ATTRIBUTE, ATTRIBUTE_KIND_MISMATCH, … */
  filter(input: EventFilterInput | null | undefined): Promise<Condition>;
  /**
   * @throws LIMIT_EXCEEDED where the filter leaves too much to look through; UNAUTHENTICATED, as all that reads
   *   for somebody, where the principal's token was revoked.
   */
  page(request: PageRequest, principal: Principal): Promise<Page>;
  /** How many events a page without limit would hold. */
  count(request: WholeRequest, principal: Principal): Promise<number>;
  /** The same by facet and over time. @throws LIMIT_EXCEEDED as well where facets have too many values. */
  statistics(request: WholeRequest, wanted: Wanted, principal: Principal): Promise<Statistics>;
  /** Those that exist and are seen. */
  byIds(ids: readonly EventId[], principal: Principal): Promise<Map<EventId, SeenEvent>>;
  state(journal: Journal): Promise<JournalState>;
  /** Those that were in force when something was last read, and perhaps later ones. */
  revocations(): Revocations;
  /** Events from one position to another, both within, for whoever passes them on by the rule. */
  unjudged(journal: Journal, from: number, to: number): Promise<UnjudgedEvent[]>;
}

/** An event with the ACL of its resource, before it is asked who sees it. */
export interface UnjudgedEvent {
  readonly event: Event;
  readonly acl: Acl | null;
}

export interface JournalState {
  readonly head: Position;
  readonly indexed: number;
  readonly oldest: number;
}

type Versioned = { readonly registry_version: number };
const REGISTRY_VERSION = '(select registry_version from installation)';

export interface ReaderOptions {
  readonly database: Database;
  readonly registry: RegistryStore;
  /** For one page, count or statistics, all its statements together. */
  readonly timeoutMs: number;
  readonly rangeLimits?: RangeLimits;
  readonly maxFacetValues?: number;
}

export function createReader(options: ReaderOptions): Reader {
  const { database, registry, timeoutMs, rangeLimits, maxFacetValues } = options;
  const { pool } = database;
  const selection = createSelection(pool);

  /** What another node has declared private since must not be shown by this one. */
  async function keepUpWith(row: Versioned | undefined): Promise<void> {
    if (row !== undefined && row.registry_version !== registry.current().version) await registry.refresh();
  }

  const isPrivate = (name: string) => registry.current().isPrivate(name);

  async function begin({ journal, filter }: WholeRequest, principal: Principal): Promise<Task> {
    const state = await reader.state(journal);
    checkToken(principal, reader.revocations());
    const deadline = Date.now() + timeoutMs;
    const named = await findNamed(journal, filter, principal);
    const plan = planSearch(filter, principal.claims, named, registry.current());
    return { journal, filter, principal, named, deadline, plan, ...state };
  }

  async function findNamed(
    journal: Journal,
    filter: Condition,
    principal: Principal,
  ): Promise<Map<EventId, NamedEvent>> {
    const ids = namedEvents(filter);
    if (ids.length === 0) return new Map();
    const seen = await reader.byIds(ids, principal);
    return new Map(
      [...seen].map(([id, { event }]) => {
        const position = event.journal === journal.name ? event.position : null;
        return [id, { position, isRoot: event.path.length === 0 }];
      }),
    );
  }

  async function indexedPart(
    task: Task,
    from: number,
    to: number,
    direction: Direction,
    limit: number,
  ): Promise<SeenEvent[]> {
    const { plan } = task;
    if (from > to || plan.set.set === 'none') return [];
    const events: SeenEvent[] = [];
    if (plan.set.set === 'all') {
      for (const [first, last] of windows(from, to, direction, plan.exact ? limit : FIRST_LOOK)) {
        const wanted = limit - events.length;
        events.push(...(await selection.between(task, [first, last], direction, wanted)));
        if (events.length >= limit) break;
        checkTime(task);
      }
      return events;
    }
    const search = await openSearch(pool, task.journal.id, plan, { from, to }, direction, rangeLimits);
    const helpings = lookThrough(task, search, direction, search.exact ? limit : FIRST_LOOK);
    for await (const helping of helpings) {
      if (search.exact) {
        // Nearly every hit is a result: no more of them are fetched than are wanted.
        for (let rest = helping; rest.length > 0 && events.length < limit; ) {
          const wanted = limit - events.length;
          events.push(...(await selection.found(task, rest.slice(0, wanted), direction)));
          rest = rest.slice(wanted);
        }
      } else {
        events.push(...(await selection.at(task, helping, direction, limit - events.length)));
      }
      if (events.length >= limit) break;
    }
    return events;
  }

  const reader: Reader = {
    async filter(input) {
      try {
        return parseFilter(input, registry.current(), isPrivate);
      } catch (error) {
        // Declared a moment ago by way of another node, perhaps.
        const known = registry.current();
        if ((await registry.refresh()) === known) throw error;
        return parseFilter(input, registry.current(), isPrivate);
      }
    },

    page: ({ journal, filter, direction, above, below, limit }, principal) =>
      inTime(async () => {
        const task = await begin({ journal, filter }, principal);
        const { head, indexed, oldest } = task;
        const from = Math.max(above + 1, oldest);
        const to = Math.min(below - 1, head);
        const direct = (wanted: number) => {
          const first = Math.max(from, indexed + 1);
          if (first > to || wanted <= 0) return [];
          return selection.between(task, [first, to], direction, wanted);
        };
        const searched = (wanted: number) =>
          wanted <= 0 ? [] : indexedPart(task, from, Math.min(to, indexed), direction, wanted);

        const [near, far] = direction === 'falling' ? [direct, searched] : [searched, direct];
        const first = await near(limit);
        return { head, events: [...first, ...(await far(limit - first.length))] };
      }),

    count: (request, principal) =>
      inTime(async () => {
        const task = await begin(request, principal);
        const { plan, head, oldest } = task;
        if (plan.exact && plan.set.set === 'all') return Math.max(0, head - oldest + 1);
        let count = 0;
        const counter: Visitor = {
          async between(first, last) {
            count += await selection.countBetween(task, first, last);
          },
          async hits(round) {
            for (const { bits } of round) count += countBits(bits);
          },
          async at(positions) {
            count += await selection.countAt(task, positions);
          },
        };
        await walk(pool, task, counter, rangeLimits);
        return count;
      }),

    statistics: (request, wanted, principal) =>
      inTime(async () => {
        const task = await begin(request, principal);
        return readStatistics({ pool, selection, rangeLimits, maxValues: maxFacetValues }, task, wanted);
      }),

    async byIds(ids, principal) {
      const parameters = new ParameterList();
      const sought = parameters.add(ids);
      const level = levelSql(principal.claims, parameters);
      const { rows } = await pool.query<SeenRow & Versioned & { readonly journal: string }>({
        text: `select ${EVENT_COLUMNS}, e.level, j.name as journal, ${REGISTRY_VERSION} from (
            select e.*, ${level} as level from unnest(${sought}::uuid[]) as sought (id)
            cross join lateral (select * from event where id = sought.id limit 1) e
            left join resource r on r.ref = e.resource
          ) e join journal j on j.id = e.journal_id
          where e.level > 0`,
        values: parameters.values,
        types: EVENT_TYPES,
      });
      await keepUpWith(rows[0]);
      checkToken(principal, reader.revocations());
      return new Map(rows.map((row) => [row.id, toSeenEvent(row, row.journal)]));
    },

    async state(journal) {
      // One row, with the version, for a journal that does not exist yet as well.
      const { rows } = await pool.query<Versioned & Record<'head' | 'indexed' | 'oldest', string | null>>({
        name: 'journal-state',
        text: `select j.head, j.indexed, j.oldest, i.registry_version
          from installation i left join journal j on j.id = $1`,
        values: [journal.id],
      });
      const [row] = rows;
      await keepUpWith(row);
      return {
        head: Number(row?.head ?? 0) as Position,
        indexed: Number(row?.indexed ?? 0),
        oldest: Number(row?.oldest ?? 1),
      };
    },

    revocations: () => registry.current().revocations,

    async unjudged(journal, from, to) {
      const ids = await selection.idsBetween(journal, from, to);
      if (ids === null) return [];
      const parameters = new ParameterList();
      const source = between(journal, from, to, ids)(parameters);
      const { rows } = await pool.query<EventRow & Versioned & { acl: ResourceRow | null }>({
        text: `select ${EVENT_COLUMNS}, to_jsonb(r) as acl, ${REGISTRY_VERSION} from ${source.from}
          where ${source.where} order by e.position`,
        values: parameters.values,
        types: EVENT_TYPES,
      });
      await keepUpWith(rows[0]);
      return rows.map((row) => ({
        event: toEvent(row, journal.name),
        acl: row.acl === null ? null : toResource(row.acl).acl,
      }));
    },
  };
  return reader;
}

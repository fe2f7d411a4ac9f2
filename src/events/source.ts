/**
 * Which events a statement looks at: positions in a row, or each of a list.
 */
import type { EventId } from './event.ts';
import type { Parameters } from './filter/filter-sql.ts';
import { CHUNK_SIZE } from './index/bits.ts';
import type { Journal } from './journal.ts';
import { EVENTS_AND_ACL } from './row.ts';

/** Which events a statement looks at: as `e`, with the ACL of their resource as `r`. */
export type Source = (parameters: Parameters) => { readonly from: string; readonly where: string };

/** First and last, both within. */
export interface IdRange {
  readonly least: EventId;
  readonly most: EventId;
}

/** Positions from one to another, both within. The ids tell PostgreSQL which partitions to leave alone. */
export function between(journal: Journal, first: number, last: number, { least, most }: IdRange): Source {
  return (parameters) => ({
    from: EVENTS_AND_ACL,
    where: `e.journal_id = ${parameters.add(journal.id)}
      and e.position between ${parameters.add(first)} and ${parameters.add(last)}
      and e.id between ${parameters.add(least)} and ${parameters.add(most)}`,
  });
}

/**
 * Each position is looked up by itself, in the partitions that its chunk spans: asked for all at once,
 * PostgreSQL reads whatever has an id between the first and the last of them.
 */
export function at(journal: Journal, positions: readonly number[]): Source {
  return (parameters) => {
    const journalId = parameters.add(journal.id);
    return {
      from: `unnest(${parameters.add(positions)}::bigint[]) as sought (position)
        join journal_chunk c on c.journal_id = ${journalId} and c.chunk = (sought.position - 1) / ${CHUNK_SIZE}
        cross join lateral (
          select * from event where journal_id = ${journalId} and position = sought.position
            and id between c.min_id and c.max_id limit 1
        ) e left join resource r on r.ref = e.resource`,
      where: 'true',
    };
  };
}

/** The values of a statement; hands out their placeholders. */
export class ParameterList implements Parameters {
  readonly values: unknown[] = [];

  add(value: unknown): string {
    return `$${this.values.push(value)}`;
  }
}

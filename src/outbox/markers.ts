/**
 * Markers that are opened through the API: each subject has recorders of its own, sees and ends none of others, and
 * may have so many open, together with those lost that are not recorded yet. How many is counted before they are
 * opened: who opens several at the same moment may go a little beyond.
 */
import { createHash } from 'node:crypto';
import { EventreeError } from '../base/errors.ts';
import { openMarkers, prolongLease } from './outbox.ts';
import type { Author, Marker } from './parcel.ts';
import type { Run } from './statement.ts';

export interface ApiLease {
  /** As the client names its recorder: a UUID. */
  readonly recorder: string;
  readonly leaseMs: number;
}

export interface Markers {
  /** Marks, and renews the lease. @throws LIMIT_EXCEEDED; BAD_USER_INPUT for a lease that is too short or too long. */
  open(lease: ApiLease, markers: readonly Marker[], author: Author): Promise<void>;
  /** @throws BAD_USER_INPUT */
  renew(lease: ApiLease, author: Author): Promise<void>;
  /** Removes markers of the recorder: nothing will be recorded for them. */
  close(recorder: string, ids: readonly string[], author: Author): Promise<void>;
  /** How many of the recorder's are open. */
  count(recorder: string, author: Author): Promise<number>;
}

export const LEAST_LEASE_MS = 1_000;
export const MOST_LEASE_MS = 600_000;

/** @param maxMarkers of one subject, by all its recorders. */
export function createMarkers(run: Run, { maxMarkers }: { readonly maxMarkers: number }): Markers {
  return {
    async open({ recorder, leaseMs }, markers, author) {
      checkLease(leaseMs);
      if (markers.length === 0) return;
      const open = await countOf(run, COUNT_OF_SUBJECT, author.subject);
      if (open + markers.length > maxMarkers) {
        throw new EventreeError(
          'LIMIT_EXCEEDED',
          `${author.subject} has ${open} markers open, and may have ${maxMarkers}: close those of calls that have ended.`,
        );
      }
      await openMarkers(run, { id: ownRecorder(author, recorder), leaseMs }, markers, author);
    },
    async renew({ recorder, leaseMs }, author) {
      checkLease(leaseMs);
      await prolongLease(run, { id: ownRecorder(author, recorder), leaseMs });
    },
    async close(recorder, ids, author) {
      await run(
        'delete from eventree_outbox.marker where id = any($1::text[]::uuid[]) and recorder = $2::uuid',
        [ids, ownRecorder(author, recorder)],
      );
    },
    count: (recorder, author) => countOf(run, COUNT_OF_RECORDER, ownRecorder(author, recorder)),
  };
}

const COUNT_OF_SUBJECT = `
  select (
    (select count(*) from eventree_outbox.marker where author is not null and author->>'subject' = $1)
    + (select count(*) from eventree_outbox.parcel where lost and author->>'subject' = $1)
  )::integer as count`;
const COUNT_OF_RECORDER =
  'select count(*)::integer as count from eventree_outbox.marker where recorder = $1::uuid';

async function countOf(run: Run, text: string, value: string): Promise<number> {
  const [row] = await run<{ count: number }>(text, [value]);
  return row?.count ?? 0;
}

/** Its name here follows from whose it is: who learns the client's name for it can do nothing with it. */
function ownRecorder({ subject }: Author, recorder: string): string {
  const hash = createHash('sha256').update(`${recorder.toLowerCase()} ${subject}`).digest('hex');
  return hash.slice(0, 32);
}

function checkLease(leaseMs: number): void {
  if (leaseMs >= LEAST_LEASE_MS && leaseMs <= MOST_LEASE_MS) return;
  throw new EventreeError(
    'BAD_USER_INPUT',
    `A lease lasts from ${LEAST_LEASE_MS} to ${MOST_LEASE_MS} ms: ${leaseMs} is too ${leaseMs < LEAST_LEASE_MS ? 'short' : 'long'}.`,
  );
}

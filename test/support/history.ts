/**
 * The history of a test under faults, and whether every promise was kept in it: what writers were told,
 * what the journal holds afterwards, and what each subscriber was given. Pure; history.test.ts damages
 * good histories in every way there is a word for and sees to it that it is noticed.
 *
 *     lost      acknowledged and not in the journal; or found by a query and never given
 *     doubled   twice in the journal; or given twice
 *     swapped   given before what stands before it; or acknowledged with another position
 *     leaked    refused, or sent by nobody, and in the journal; or given and not found by a query
 *     late      given when a cursor had already said that all up to there was given
 *     early     given with a cursor that lies before it: who resumes from there gets it again
 *     hole      a position of the journal that no event has
 */
export interface Placed {
  readonly id: string;
  readonly position: number;
}

/** An event of the journal. */
export interface Logged extends Placed {
  /** Recorded by the server itself, which no writer knows of. */
  readonly byServer: boolean;
}

/** A message of a stream. */
export interface Message {
  readonly ids: readonly string[];
  /** Where its cursor stands: the reader has everything up to there. */
  readonly upTo: number;
}

export interface Subscriber {
  readonly name: string;
  /** Where it began. */
  readonly after: number;
  /** Of all its connections, one after the other. */
  readonly messages: readonly Message[];
  /** What a query by the same viewer with the same filter finds in the journal, in order. */
  readonly found: readonly string[];
}

/** What writers were told. */
export interface Outcomes {
  /** As often as it was answered: an event that is recorded again is acknowledged again. */
  readonly acknowledged: Placed[];
  readonly refused: Set<string>;
  /** Sent, and whether it was recorded nobody knows. */
  readonly unknown: Set<string>;
}

export interface History {
  readonly outcomes: Outcomes;
  /** In the order of positions. */
  readonly log: readonly Logged[];
  readonly subscribers: readonly Subscriber[];
}

export type FaultKind = 'lost' | 'doubled' | 'swapped' | 'leaked' | 'late' | 'early' | 'hole';

export interface Fault {
  readonly kind: FaultKind;
  /** The journal, or the subscriber by its name. */
  readonly who: string;
  readonly id: string;
}

export function noOutcomes(): Outcomes {
  return { acknowledged: [], refused: new Set(), unknown: new Set() };
}

/** Every broken promise; none where all were kept. */
export function faultsOf({ outcomes, log, subscribers }: History): Fault[] {
  const positions = new Map(log.map(({ id, position }) => [id, position]));
  return [
    ...faultsOfJournal(outcomes, log, positions),
    ...subscribers.flatMap((subscriber) => faultsOfSubscriber(subscriber, positions)),
  ];
}

type Positions = ReadonlyMap<string, number>;

function faultsOfJournal(outcomes: Outcomes, log: readonly Logged[], positions: Positions): Fault[] {
  const { acknowledged, refused, unknown } = outcomes;
  const faults: Fault[] = [];
  const found = (kind: FaultKind, id: string) => faults.push({ kind, who: 'journal', id });
  const sent = new Set([...acknowledged.map(({ id }) => id), ...unknown]);

  const seen = new Set<string>();
  log.forEach(({ id, position, byServer }, nth) => {
    if (position !== nth + 1) found('hole', id);
    if (seen.has(id)) found('doubled', id);
    if (!byServer && !sent.has(id)) found('leaked', id);
    seen.add(id);
  });
  for (const { id, position } of acknowledged) {
    if (!positions.has(id)) found('lost', id);
    else if (positions.get(id) !== position) found('swapped', id);
  }
  // One that was refused and then accepted, e.g. by a second attempt, is acknowledged as well.
  for (const id of refused) if (positions.has(id) && !sent.has(id)) found('leaked', id);
  return faults;
}

function faultsOfSubscriber({ name, after, messages, found }: Subscriber, positions: Positions): Fault[] {
  const faults: Fault[] = [];
  const report = (kind: FaultKind, id: string) => faults.push({ kind, who: name, id });
  const expected = new Set(found);
  const given = new Set<string>();
  let promised = after;
  let furthest = after;

  for (const { ids, upTo } of messages) {
    for (const id of ids) {
      const position = positions.get(id) ?? 0;
      if (!expected.has(id)) report('leaked', id);
      else if (given.has(id)) report('doubled', id);
      else if (position <= promised) report('late', id);
      else if (position < furthest) report('swapped', id);
      if (position > upTo) report('early', id);
      given.add(id);
      furthest = Math.max(furthest, position);
    }
    promised = Math.max(promised, upTo);
  }
  for (const id of found) {
    const position = positions.get(id) ?? 0;
    if (position > after && position <= promised && !given.has(id)) report('lost', id);
  }
  return faults;
}

/**
 * The history of a test under faults, and whether every promise was kept in it: what writers were told,
 * what the journal holds afterwards, what each subscriber was given, and what each reader of pages found
 * meanwhile. Pure; history.test.ts damages good histories in every way there is a word for and sees to it
 * that it is noticed.
 *
 *     lost      acknowledged and not in the journal; or found by a query and never given; or found by a
 *               page and not by a later one of the same place
 *     doubled   twice in the journal; or given twice; or twice on one page
 *     swapped   given, or on a page, before what stands before it; or acknowledged with another position
 *     leaked    refused, or sent by nobody, and in the journal; or given and not found by a query
 *     late      given when a cursor had already said that all up to there was given; or not on a page of
 *               its place and found there later
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
  /** Set where it says that something up to there no longer exists: what was not given is not missing. */
  readonly gap?: object | null;
}

/** What a query answered: all that its reader found between two places. */
export interface Page {
  /** In the order of positions, whichever way the page was read. */
  readonly ids: readonly string[];
  /** The place behind which it begins. */
  readonly above: number;
  readonly upTo: number;
}

/** Who asks for pages, again and again, with one viewer's rights and one filter. */
export interface PageReader {
  readonly name: string;
  /** In the order in which they were answered; each was asked for when the last one had come. */
  readonly pages: readonly Page[];
  /** What a query finds in the end, in order. */
  readonly found: readonly string[];
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
  readonly readers: readonly PageReader[];
}

export type FaultKind = 'lost' | 'doubled' | 'swapped' | 'leaked' | 'late' | 'early' | 'hole';

export interface Fault {
  readonly kind: FaultKind;
  /** The journal, or the subscriber or reader by its name. */
  readonly who: string;
  readonly id: string;
}

export function noOutcomes(): Outcomes {
  return { acknowledged: [], refused: new Set(), unknown: new Set() };
}

/** Every broken promise; none where all were kept. */
export function faultsOf({ outcomes, log, subscribers, readers }: History): Fault[] {
  const positions = new Map(log.map(({ id, position }) => [id, position]));
  return [
    ...faultsOfJournal(outcomes, log, positions),
    ...subscribers.flatMap((subscriber) => faultsOfSubscriber(subscriber, positions)),
    ...readers.flatMap((reader) => faultsOfReader(reader, positions)),
  ];
}

type Positions = ReadonlyMap<string, number>;

function faultsOfJournal(outcomes: Outcomes, log: readonly Logged[], positions: Positions): Fault[] {
  const { acknowledged, unknown } = outcomes;
  const faults: Fault[] = [];
  const found = (kind: FaultKind, id: string) => faults.push({ kind, who: 'journal', id });
  // One that was refused is neither; unless a second attempt was accepted.
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
  return faults;
}

function faultsOfSubscriber({ name, after, messages, found }: Subscriber, positions: Positions): Fault[] {
  const faults: Fault[] = [];
  const report = (kind: FaultKind, id: string) => faults.push({ kind, who: name, id });
  const expected = new Set(found);
  const given = new Set<string>();
  const gone = new Set<string>();
  let promised = after;
  let furthest = after;

  for (const { ids, upTo, gap } of messages) {
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
    if (gap) for (const id of found) if (lies(id, promised, upTo)) gone.add(id);
    promised = Math.max(promised, upTo);
  }
  for (const id of found)
    if (lies(id, after, promised) && !given.has(id) && !gone.has(id)) report('lost', id);
  return faults;

  function lies(id: string, above: number, upTo: number): boolean {
    const position = positions.get(id) ?? 0;
    return position > above && position <= upTo;
  }
}

/**
 * No reader that saw a place ever finds anything new there. What a page shows is held against what the
 * reader finds in the end, so that two pages of one place that differ are a fault of one of them.
 */
function faultsOfReader({ name, pages, found }: PageReader, positions: Positions): Fault[] {
  const faults: Fault[] = [];
  const report = (kind: FaultKind, id: string) => faults.push({ kind, who: name, id });
  const inTheEnd = new Set(found);
  const placed = found.map((id) => ({ id, position: positions.get(id) ?? 0 }));
  const seen = new Set<string>();

  for (const { ids, above, upTo } of pages) {
    const shown = new Set<string>();
    let furthest = above;
    for (const id of ids) {
      const position = positions.get(id) ?? 0;
      if (!inTheEnd.has(id)) report(positions.has(id) && seen.has(id) ? 'lost' : 'leaked', id);
      else if (shown.has(id)) report('doubled', id);
      else if (position < furthest) report('swapped', id);
      if (position <= above || position > upTo) report('early', id);
      shown.add(id);
      furthest = Math.max(furthest, position);
    }
    for (const { id } of between(placed, above, upTo)) {
      if (!shown.has(id)) report(seen.has(id) ? 'lost' : 'late', id);
    }
    for (const id of ids) seen.add(id);
  }
  return faults;
}

/** Those of a list in the order of positions that lie behind one place and not behind another. */
function between(placed: readonly Placed[], above: number, upTo: number): readonly Placed[] {
  return placed.slice(firstBehind(placed, above), firstBehind(placed, upTo));
}

function firstBehind(placed: readonly Placed[], position: number): number {
  let low = 0;
  for (let high = placed.length; low < high; ) {
    const middle = (low + high) >> 1;
    if ((placed[middle] as Placed).position > position) high = middle;
    else low = middle + 1;
  }
  return low;
}

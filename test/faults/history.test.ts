import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type FaultKind,
  faultsOf,
  type History,
  type Logged,
  type Message,
  noOutcomes,
  type Page,
} from '../support/history.ts';
import {
  type RightsChange,
  type RightsFault,
  type RightsHistory,
  rightsFaultsOf,
  type ViewedMessage,
} from '../support/rights.ts';

type Draw = (most: number) => number;

/** Numbers from 0 to `most`, the same ones for the same seed (xorshift32). */
function drawFrom(seed: number): Draw {
  let state = seed | 1;
  return (most) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % (most + 1);
  };
}

/**
 * A history without fault: some refused, some unknown, three subscribers that began at different places, of
 * whom one is told of a gap, and two readers of pages.
 */
function honest(draw: Draw): History {
  const outcomes = noOutcomes();
  const log: Logged[] = Array.from({ length: 20 + draw(60) }, (_, i) => ({
    id: `event ${i + 1}`,
    position: i + 1,
    byServer: draw(19) === 0,
  }));
  for (const entry of log) {
    if (entry.byServer) continue;
    if (draw(9) === 0) outcomes.unknown.add(entry.id);
    else outcomes.acknowledged.push(entry);
  }
  outcomes.unknown.add('never recorded');
  outcomes.refused.add('refused');
  const subscribers = ['all', 'some', 'few'].map((name, nth) => {
    const found = log.filter(() => draw(nth) === 0);
    const after = draw(10);
    const messages: Message[] = [];
    const begin = name === 'few' ? Math.min(log.length, after + draw(10)) : after;
    if (begin > after) messages.push({ ids: [], upTo: begin, gap: { oldest: begin + 1 } });
    for (let from = begin; from < log.length; ) {
      const upTo = Math.min(log.length, from + 1 + draw(6));
      const since = from;
      const ids = found.filter(({ position }) => position > since && position <= upTo).map(({ id }) => id);
      messages.push({ ids, upTo });
      from = upTo;
    }
    return { name, after, messages, found: found.map(({ id }) => id) };
  });
  const readers = ['reads on', 'looks again'].map((name) => {
    const found = log.filter(() => draw(2) > 0);
    const page = (above: number, upTo: number): Page => {
      const on = found.filter(({ position }) => position > above && position <= upTo);
      return { ids: on.map(({ id }) => id), above, upTo };
    };
    // However the places are drawn that are looked at again, one page before the last shows something.
    const pages: Page[] = name === 'looks again' ? [page(0, log.length)] : [];
    for (let at = 0; at < log.length; ) {
      const upTo = Math.min(log.length, at + 1 + draw(9));
      pages.push(page(name === 'reads on' ? at : draw(upTo), upTo));
      at = upTo;
    }
    return { name, pages: [...pages, page(0, log.length)], found: found.map(({ id }) => id) };
  });
  return { outcomes, log, subscribers, readers };
}

/** The same with other pages for the reader who looks at places again. */
function shown(history: History, change: (pages: readonly Page[]) => readonly Page[]): History {
  const [first, second] = history.readers;
  if (first === undefined || second === undefined) throw new Error('There are no two readers.');
  return { ...history, readers: [first, { ...second, pages: change(second.pages) }] };
}

/** The same where the reader looked at everything twice. */
function lookedTwice(history: History): History {
  return shown(history, (pages) => [pages.at(-1) as Page, pages.at(-1) as Page]);
}

/** The same with one event less, or more, or in another place on its last page, which shows them all. */
function onLastPage(history: History, change: (ids: readonly string[]) => readonly string[]): History {
  return shown(history, (pages) => {
    const last = pages.at(-1) as Page;
    return pages.with(-1, { ...last, ids: change(last.ids) });
  });
}

/** The same with other messages for one subscriber. */
function given(history: History, change: (messages: readonly Message[]) => readonly Message[]): History {
  const [first, ...others] = history.subscribers;
  if (first === undefined) throw new Error('There is no subscriber.');
  return { ...history, subscribers: [{ ...first, messages: change(first.messages) }, ...others] };
}

/** Whole messages in a list in which those with many events are found by number. */
function pick(messages: readonly { readonly ids: readonly string[] }[], draw: Draw): number {
  const full = messages.flatMap(({ ids }, at) => (ids.length > 0 ? [at] : []));
  return full[draw(full.length - 1)] as number;
}

function replaced(messages: readonly Message[], at: number, change: Partial<Message>): Message[] {
  return messages.map((message, nth) => (nth === at ? { ...message, ...change } : message));
}

const DAMAGES: readonly [FaultKind, string, (history: History, draw: Draw) => History][] = [
  [
    'lost',
    'an acknowledged event is not in the journal',
    (history) => ({
      ...history,
      outcomes: {
        ...history.outcomes,
        acknowledged: [...history.outcomes.acknowledged, { id: 'gone', position: 3 }],
      },
    }),
  ],
  [
    'lost',
    'a subscriber is not given an event',
    (history, draw) =>
      given(history, (messages) => {
        const at = pick(messages, draw);
        return replaced(messages, at, { ids: (messages[at] as Message).ids.slice(1) });
      }),
  ],
  [
    'lost',
    'a subscriber is not given what lies before a gap that it is told of later',
    (history) =>
      given(history, (messages) => {
        const { upTo } = messages.at(-1) as Message;
        return [
          { ids: [], upTo },
          { ids: [], upTo, gap: {} },
        ];
      }),
  ],
  [
    'lost',
    'a page does not show what an earlier one did',
    (history, draw) => onLastPage(lookedTwice(history), (ids) => ids.toSpliced(draw(ids.length - 1), 1)),
  ],
  [
    'lost',
    'what a page showed is not found in the end',
    (history) => {
      const [first, second] = lookedTwice(history).readers;
      if (first === undefined || second === undefined) throw new Error('There are no two readers.');
      return { ...history, readers: [first, { ...second, found: second.found.slice(1) }] };
    },
  ],
  [
    'doubled',
    'an event stands twice in the journal',
    (history) => ({
      ...history,
      log: [...history.log, { ...(history.log[0] as Logged), position: history.log.length + 1 }],
    }),
  ],
  [
    'doubled',
    'a subscriber is given an event twice',
    (history, draw) =>
      given(history, (messages) => {
        const at = pick(messages, draw);
        const { ids, upTo } = messages[at] as Message;
        return [...messages, { ids: ids.slice(-1), upTo }];
      }),
  ],
  [
    'doubled',
    'a page shows an event twice',
    (history) => onLastPage(history, ([first = '', ...others]) => [first, first, ...others]),
  ],
  [
    'swapped',
    'a page shows events in another order',
    (history) => onLastPage(history, ([one = '', other = '', ...rest]) => [other, one, ...rest]),
  ],
  [
    'swapped',
    'an event was acknowledged with another position',
    ({ outcomes, ...history }) => {
      const [first, ...others] = outcomes.acknowledged;
      const moved = { id: first?.id ?? '', position: history.log.length + 1 };
      return { ...history, outcomes: { ...outcomes, acknowledged: [moved, ...others] } };
    },
  ],
  [
    'swapped',
    'a subscriber is given events in another order',
    (history, draw) =>
      given(history, (messages) => {
        const joined = messages.flatMap(({ ids }) => ids);
        const at = draw(joined.length - 2);
        const swapped = joined.with(at, joined[at + 1] as string).with(at + 1, joined[at] as string);
        return [{ ids: swapped, upTo: (messages.at(-1) as Message).upTo }];
      }),
  ],
  [
    'leaked',
    'a refused event is in the journal',
    (history) => ({
      ...history,
      log: [...history.log, { id: 'refused', position: history.log.length + 1, byServer: false }],
    }),
  ],
  [
    'leaked',
    'an event that nobody sent is in the journal',
    (history) => ({
      ...history,
      log: [...history.log, { id: 'of nobody', position: history.log.length + 1, byServer: false }],
    }),
  ],
  [
    'leaked',
    'a subscriber is given what it cannot find',
    (history, draw) =>
      given(history, (messages) => {
        const at = pick(messages, draw);
        return replaced(messages, at, { ids: [...(messages[at] as Message).ids, 'secret'] });
      }),
  ],
  [
    'leaked',
    'a page shows what its reader cannot find',
    (history) => onLastPage(history, (ids) => [...ids, 'secret']),
  ],
  [
    'late',
    'a page does not show what a later one of the same place does',
    (history, draw) =>
      shown(history, (pages) => {
        const at = pick(pages.slice(0, -1), draw);
        const { ids, ...place } = pages[at] as Page;
        return [{ ...place, ids: ids.slice(1) }, ...pages.slice(at + 1)];
      }),
  ],
  [
    'late',
    'something new is found in the end where a page had been read',
    (history, draw) =>
      onLastPage(
        shown(history, (pages) => pages.slice(-1)),
        (ids) => ids.toSpliced(draw(ids.length - 1), 1),
      ),
  ],
  [
    'late',
    'a subscriber is given an event after a cursor that had passed it',
    (history, draw) =>
      given(history, (messages) => {
        const at = pick(messages, draw);
        const { ids } = messages[at] as Message;
        const without = replaced(messages, at, { ids: ids.slice(1) });
        return [...without, { ids: ids.slice(0, 1), upTo: (messages.at(-1) as Message).upTo }];
      }),
  ],
  [
    'early',
    'a cursor lies before an event that came with it',
    (history, draw) =>
      given(history, (messages) => {
        const at = pick(messages, draw);
        return replaced(messages, at, { upTo: 0 });
      }),
  ],
  [
    'early',
    'a page shows what does not lie where it was read',
    (history) =>
      shown(history, (pages) => {
        const { ids, upTo } = pages.at(-1) as Page;
        return pages.with(-1, { ids, above: upTo - 1, upTo });
      }),
  ],
  [
    'hole',
    'a position is left out',
    (history, draw) => ({
      ...history,
      log: history.log.toSpliced(draw(history.log.length - 2), 1),
    }),
  ],
];

describe('a history', () => {
  it('without fault has none', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        expect(faultsOf(honest(drawFrom(seed)))).toEqual([]);
      }),
    );
  });

  it.each(DAMAGES)('is found to be damaged (%s): %s', (kind, _, damage) => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const draw = drawFrom(seed);
        const faults = faultsOf(damage(honest(draw), draw));
        expect(faults.map((fault) => fault.kind)).toContain(kind);
      }),
    );
  });
});

const VIEWER = 'user/jane';
/** Here the viewer loses a right for the first time, and here the page has an event that it may not see. */
const [FIRST_LOSS, FIRST_UNSEEN] = [10, 11];

/**
 * Two pages whose only viewer loses its right and gets it back, over and over. Live it is given what was
 * recorded while it had the right; what is read from the journal is judged by the right it has by then.
 */
function honestRights(draw: Draw): RightsHistory {
  const pages = ['page/0', 'page/1'] as const;
  const changes: RightsChange[] = pages.map((resource) => ({
    resource,
    position: 0,
    claims: [VIEWER],
    askedAtMs: 0,
  }));
  const events: Placing[] = [];
  for (let position = 1; position <= 60; position++) {
    const isEarly = position <= FIRST_UNSEEN;
    const resource = isEarly ? pages[0] : (pages[draw(1)] as string);
    if (position === FIRST_LOSS || (!isEarly && draw(4) === 0)) {
      const claims = heldAt(changes, resource, position) ? [] : [VIEWER];
      changes.push({ resource, position, claims, askedAtMs: position });
    } else events.push({ id: `event ${position}`, position, resource });
  }
  const messages: ViewedMessage[] = [];
  for (let from = 0; from < 60; ) {
    const upTo = Math.min(60, from + 1 + draw(4));
    const live = draw(3) > 0;
    const judgedAt = Math.min(60, upTo + draw(10));
    const within = ({ position }: { readonly position: number }) => position > from && position <= upTo;
    const held = ({ resource, position }: { readonly resource: string; readonly position: number }) =>
      heldAt(changes, resource, live ? position : judgedAt);
    const losses = changes.filter((each) => within(each) && each.claims.length === 0 && !held(each));
    messages.push({
      ids: events.filter((event) => within(event) && held(event)).map(({ id }) => id),
      hidden: losses.map(({ resource }) => resource),
      upTo,
      atMs: (live ? upTo : judgedAt) + 0.5,
    });
    from = upTo;
  }
  return { events, changes, viewers: [{ name: 'viewer', claim: VIEWER, messages }] };
}

type Placing = RightsHistory['events'][number];

/** Whether the viewer has the right from this position on. */
function heldAt(changes: readonly RightsChange[], resource: string, position: number): boolean {
  const last = changes.findLast((each) => each.resource === resource && each.position <= position);
  return last?.claims.includes(VIEWER) ?? false;
}

/** The same where the message that passes a position is another, and comes before rights change once more. */
function passing(
  history: RightsHistory,
  position: number,
  change: (message: ViewedMessage) => Partial<ViewedMessage>,
): RightsHistory {
  const [viewer] = history.viewers;
  if (viewer === undefined) throw new Error('There is no viewer.');
  const at = viewer.messages.findIndex(({ upTo }) => upTo >= position);
  const message = viewer.messages[at] as ViewedMessage;
  const messages = viewer.messages.with(at, { ...message, ...change(message), atMs: position + 0.5 });
  return { ...history, viewers: [{ ...viewer, messages }] };
}

const RIGHTS_DAMAGES: readonly [RightsFault['kind'], string, (history: RightsHistory) => RightsHistory][] = [
  [
    'leaked',
    'an event past the loss of the right is given',
    (history) => passing(history, FIRST_UNSEEN, ({ ids }) => ({ ids: [...ids, `event ${FIRST_UNSEEN}`] })),
  ],
  [
    'leaked',
    'what is no event of the pages is given',
    (history) => passing(history, 1, ({ ids }) => ({ ids: [...ids, 'secret'] })),
  ],
  [
    'lost',
    'an event from when the right was held is not given',
    (history) => passing(history, 1, ({ ids }) => ({ ids: ids.filter((id) => id !== 'event 1') })),
  ],
  [
    'unsaid',
    'that the right is lost is not said',
    (history) => passing(history, FIRST_LOSS, () => ({ hidden: [] })),
  ],
];

describe('a history of rights', () => {
  it('without fault has none', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        expect(rightsFaultsOf(honestRights(drawFrom(seed)))).toEqual([]);
      }),
    );
  });

  it.each(RIGHTS_DAMAGES)('is found to be damaged (%s): %s', (kind, _, damage) => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const faults = rightsFaultsOf(damage(honestRights(drawFrom(seed))));
        expect(faults.map((fault) => fault.kind)).toContain(kind);
      }),
    );
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type FaultKind,
  faultsOf,
  type History,
  type Logged,
  type Message,
  noOutcomes,
} from '../support/history.ts';

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

/** A history without fault: some refused, some unknown, three subscribers that began at different places. */
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
    for (let from = after; from < log.length; ) {
      const upTo = Math.min(log.length, from + 1 + draw(6));
      const since = from;
      const ids = found.filter(({ position }) => position > since && position <= upTo).map(({ id }) => id);
      messages.push({ ids, upTo });
      from = upTo;
    }
    return { name, after, messages, found: found.map(({ id }) => id) };
  });
  return { outcomes, log, subscribers };
}

/** The same with other messages for one subscriber. */
function given(history: History, change: (messages: readonly Message[]) => readonly Message[]): History {
  const [first, ...others] = history.subscribers;
  if (first === undefined) throw new Error('There is no subscriber.');
  return { ...history, subscribers: [{ ...first, messages: change(first.messages) }, ...others] };
}

/** Whole messages in a list in which those with many events are found by number. */
function pick(messages: readonly Message[], draw: Draw, least = 1): number {
  const full = messages.flatMap(({ ids }, at) => (ids.length >= least ? [at] : []));
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

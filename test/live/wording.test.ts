/** Messages that are put into words for each viewer, by the room itself: what the words are is not in question. */
import { expect, test, vi } from 'vitest';
import type { Position } from '../../src/events/event.ts';
import { unwritten } from '../../src/events/journal.ts';
import { createSpeaker, type Wording } from '../../src/live/wording.ts';
import { ROOT } from '../properties/support/heart.ts';

const MANY = 200;

/** A speaker whose words are all awaited until they are let out. */
function openSpeaker() {
  const begun: Position[] = [];
  let letOut = () => {};
  const outside = new Promise<void>((resolve) => {
    letOut = resolve;
  });
  const wording: Wording = {
    ...{ key: '', shared: false, unit: 'delivery' },
    word: ({ position }) => {
      begun.push(position);
      return outside.then(() => `${position}`);
    },
  };
  const speaker = createSpeaker(wording, ROOT, () => unwritten('main'));
  const say = (position: number) =>
    Promise.resolve(speaker.say({ events: [], hidden: [], position: position as Position }));
  return { speaker, say, begun, letOut };
}

const positions = Array.from({ length: MANY }, (_, nth) => nth + 1);

test('they are begun a few at a time, in order, whoever they are for', async () => {
  const [one, other] = [openSpeaker(), openSpeaker()];
  const said = Promise.all(positions.flatMap((position) => [one.say(position), other.say(position)]));
  await vi.waitUntil(() => one.begun.length + other.begun.length > 0);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(one.begun.length + other.begun.length).toBeLessThan(100);
  expect(Math.abs(one.begun.length - other.begun.length)).toBeLessThanOrEqual(1);
  one.letOut();
  other.letOut();
  expect((await said).map(({ payload }) => Number(payload))).toEqual(
    positions.flatMap((each) => [each, each]),
  );
  expect(one.begun).toEqual(positions);
});

test('what has not been begun when the last viewer leaves is not', async () => {
  const { speaker, say, begun, letOut } = openSpeaker();
  const said = Promise.all(positions.map(say));
  await vi.waitUntil(() => begun.length > 0);
  speaker.fallSilent();
  letOut();
  await said;
  expect(begun.length).toBeLessThan(100);
});

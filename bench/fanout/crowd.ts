/** All subscribers of a plan, opened in waves; none is left out when counting begins. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Feed } from './feed.ts';
import type { Plan } from './plan.ts';
import { FENCE, openSubscriber, PROBE, type Subscriber } from './subscriber.ts';
import { once } from './traffic.ts';

export interface CrowdOptions {
  readonly deliver: (subscriber: number, number: number, frameBytes: number) => void;
  readonly fail: (problem: string) => void;
}

/** Sockets that are opened at a time. */
const OPENING = 50;
/** In which more subscribers should have got something, or no more will. */
const QUIET_MS = 200;
const MOST_PROBES = 150;

/**
 * The protocol does not acknowledge a subscription. So events are recorded until everybody has got one, and
 * then another, the fence: what follows it is due to everybody whom it concerns.
 */
export async function openCrowd(
  { traffic, query, subscribers: planned }: Plan,
  feed: Feed,
  { deliver, fail }: CrowdOptions,
): Promise<void> {
  const subscribers: Subscriber[] = [];
  for (let first = 0; first < planned.length; first += OPENING) {
    const wave = planned.slice(first, first + OPENING).map((each, nth) =>
      openSubscriber({
        ...each,
        query,
        deliver: (number, frameBytes) => deliver(first + nth, number, frameBytes),
        fail: (problem) => fail(`subscriber ${first + nth}: ${problem}`),
      }),
    );
    subscribers.push(...(await Promise.all(wave)));
  }
  for (let probes = 0; !(await haveAll(subscribers, ({ isSubscribed }) => isSubscribed())); probes++) {
    if (probes === MOST_PROBES) throw new Error('Not all subscriptions come into force.');
    await feed.record(once(traffic), PROBE);
  }
  // Recorded after the last probe, and so delivered after it.
  await feed.record(once(traffic), FENCE);
  for (let waits = 0; !(await haveAll(subscribers, ({ isCounting }) => isCounting())); waits++) {
    if (waits === MOST_PROBES) throw new Error('Not all subscribers get the fence.');
  }
}

/** Waits for as long as there are more and more. */
async function haveAll(
  subscribers: readonly Subscriber[],
  has: (subscriber: Subscriber) => boolean,
): Promise<boolean> {
  const count = () => subscribers.filter(has).length;
  for (let before = -1; count() > before; await wait(QUIET_MS)) {
    before = count();
    if (before === subscribers.length) return true;
  }
  return false;
}

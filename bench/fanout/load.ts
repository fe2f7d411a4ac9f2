/**
 * The load of the fan-out benchmark, in a process of its own: all subscribers of one contender, and the
 * recording of the events that they wait for. Takes a plan, then orders, one at a time; says after each
 * what it measured. Ends when its parent lets go of it.
 *
 * After every run each subscriber's deliveries are checked against what concerned it (tally.ts); the first
 * that is missing, doubled or out of place ends the process with a word about it.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { openCrowd } from './crowd.ts';
import { createFeed } from './feed.ts';
import type { Answer, Measured, Order, Plan } from './plan.ts';
import { createTally, type Tally } from './tally.ts';
import { concerned } from './traffic.ts';

/** In which an event that is delivered twice is delivered again. */
const AFTERMATH_MS = 150;
/**
 * After an event by itself, before each run. A connection whose client has lately answered something, as the pings of
 * a server, delays what acknowledges data, until it has waited in vain after an event. On loopback the one way is
 * paid for by the server and the other by the load, which made a fifth of a server's speed a matter of when it had
 * last pinged. Where an event concerns a few, most clients stay as they are.
 */
const LONE_MS = 300;
/** Single events, while the server warms up. */
const WARM_UP_UNDER_WAY = 20;

/** What a run gets to work with. */
interface Work {
  /** Records so many events by one request, all of them due. Resolves when the server has answered. */
  record(events: number): Promise<void>;
  /** Waits until all deliveries are made but those of so many events. */
  untilUnderWay(events: number): Promise<void>;
}

process.once('message', (plan: Plan) => {
  prepare(plan).then((run) => {
    process.on('message', (order: Order) => {
      run(order).then((measured) => say({ measured }), complain);
    });
    say({ ready: true });
  }, complain);
});
process.once('disconnect', () => process.exit());

async function prepare(plan: Plan): Promise<(order: Order) => Promise<Measured>> {
  const { traffic } = plan;
  const feed = createFeed(plan.feeds, plan.feedPort, plan.feedToken, traffic);
  const tally = createTally(traffic, plan.eventsARequest);
  const arrivals = createArrivals(tally, plan.patienceMs);
  const recipients = concerned(traffic, 0).length;
  /** In ms, by the number of the event; of those that are paced. */
  const sentAt = new Map<number, number>();
  let latenciesMs: number[] = [];
  let bytes = 0;
  let paced = false;
  let requests = 0;

  await openCrowd(plan, feed, {
    deliver(subscriber, number, frameBytes) {
      tally.deliver(subscriber, number);
      bytes += frameBytes;
      if (paced) latenciesMs.push(performance.now() - (sentAt.get(number) ?? Number.NaN));
      arrivals.notice();
    },
    fail: complain,
  });

  const work: Work = {
    async record(events) {
      const first = requests++ * plan.eventsARequest;
      const numbers = Array.from({ length: events }, (_, nth) => first + nth);
      for (const number of numbers) tally.expect(number);
      if (paced) sentAt.set(first, performance.now());
      await feed.record(numbers);
    },
    untilUnderWay: (events) => arrivals.untilMissing(events * recipients),
  };

  return async (order) => {
    paced = false;
    await Promise.all([work.record(1), work.untilUnderWay(0)]);
    await wait(LONE_MS);
    const before = tally.delivered();
    latenciesMs = [];
    bytes = 0;
    paced = order.run === 'pace';
    const cpuBefore = process.cpuUsage();
    const started = performance.now();
    await carryOut(order, work, plan);
    await work.untilUnderWay(0);
    const seconds = (performance.now() - started) / 1_000;
    const cpu = process.cpuUsage(cpuBefore);
    const deliveries = tally.delivered() - before;
    await wait(AFTERMATH_MS);
    const problem = tally.problem();
    if (problem !== null) throw new Error(`Miscounted: ${problem}.`);
    return {
      deliveries,
      deliveriesPerSecond: deliveries / seconds,
      latenciesMs,
      loadCpu: (cpu.user + cpu.system) / 1e6 / seconds,
      frameBytes: bytes / deliveries,
    };
  };
}

async function carryOut(order: Order, work: Work, { eventsARequest, mostUnderWay }: Plan): Promise<void> {
  const started = performance.now();
  const isOver = () => performance.now() - started >= order.seconds * 1_000;
  switch (order.run) {
    case 'warm-up':
      for (;;) {
        await work.untilUnderWay(WARM_UP_UNDER_WAY - 1);
        if (isOver()) return;
        work.record(1).catch(complain);
      }
    case 'flood':
      for (;;) {
        await work.untilUnderWay(mostUnderWay - eventsARequest);
        if (isOver()) return;
        work.record(eventsARequest).catch(complain);
      }
    case 'turns':
      while (!isOver()) await Promise.all([work.record(1), work.untilUnderWay(0)]);
      return;
    case 'pace':
      for (let nth = 0; nth < order.seconds * order.eventsPerSecond; nth++) {
        const due = started + (nth * 1_000) / order.eventsPerSecond;
        await wait(Math.max(0, due - performance.now()));
        work.record(1).catch(complain);
      }
  }
}

/** Waits for deliveries, for as long as there are any. */
function createArrivals(tally: Tally, patienceMs: number) {
  let awaited = Number.POSITIVE_INFINITY;
  let wake = () => {};
  return {
    /** To be called after each delivery. */
    notice() {
      if (tally.delivered() >= awaited) wake();
    },

    async untilMissing(most: number): Promise<void> {
      for (let before = -1; tally.expected() - tally.delivered() > most; ) {
        if (tally.delivered() === before) throw new Error(`Missing: ${tally.problem()}.`);
        before = tally.delivered();
        await new Promise<void>((resolve) => {
          const impatience = setTimeout(resolve, patienceMs);
          awaited = tally.expected() - most;
          wake = () => {
            awaited = Number.POSITIVE_INFINITY;
            clearTimeout(impatience);
            resolve();
          };
        });
      }
    },
  };
}

function say(answer: Answer): void {
  process.send?.(answer);
}

function complain(problem: unknown): void {
  const answer: Answer = { problem: problem instanceof Error ? problem.message : String(problem) };
  process.send?.(answer, () => process.exit(1));
}

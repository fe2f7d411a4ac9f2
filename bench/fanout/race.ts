/** Contenders in turns, so that what else the machine does strikes all of them alike. */
import { median, percentile } from '../support/report.ts';
import type { Contender } from './contender.ts';
import { type Load, startLoad } from './load-process.ts';
import type { Measured, Order } from './plan.ts';
import { cpuSeconds } from './stage.ts';

export interface Figure {
  readonly contender: string;
  readonly deliveriesPerSecond: number;
  /** Of all deliveries of all rounds; null where they were not paced. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  /** Shares of one core: the highest of all rounds for the load, the median for the servers together. */
  readonly loadCpu: number;
  readonly serverCpu: number;
  readonly frameBytes: number;
  /** Counted one by one in all rounds but the first, which warms up. */
  readonly deliveries: number;
}

export interface RaceOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly progress: (text: string) => void;
}

type Run = Measured & { readonly serverCpu: number };

/**
 * Long enough for what takes in an event to be compiled, which a run with few requests a second does not achieve
 * in a minute: servers run for days.
 */
const WARM_UP_SECONDS = 4;
/** Of the run before those that count. */
const FIRST_SECONDS = 1;
/** Frames of contenders may differ by so much in length. */
const LENGTH_TOLERANCE = 0.03;

/** @throws where a delivery is missing, doubled or out of place, or frames are not alike. */
export async function race(
  contenders: readonly Contender[],
  order: Omit<Order, 'seconds'>,
  { rounds, seconds, progress }: RaceOptions,
): Promise<Figure[]> {
  const entries: { contender: Contender; load: Load; runs: Run[] }[] = [];
  for (const contender of contenders) {
    progress(`${contender.name}: ${contender.plan.subscribers.length} subscribers`);
    entries.push({ contender, load: await startLoad(contender.name, contender.plan), runs: [] });
  }
  for (const { contender, load } of entries) {
    progress(`${contender.name}: warming up`);
    await load.run({ run: 'warm-up', seconds: WARM_UP_SECONDS });
  }
  // The runs of an order differ in nothing but how long they take. Round 0 is not counted.
  for (let round = 0; round <= rounds; round++) {
    for (const { contender, load, runs } of entries) {
      progress(`${contender.name}: ${round === 0 ? 'getting into step' : `round ${round}`}`);
      const timed = { ...order, seconds: round === 0 ? FIRST_SECONDS : seconds } as Order;
      const run = await observe(contender, () => load.run(timed));
      if (round > 0) runs.push(run);
    }
  }
  for (const { load } of entries) await load.stop();
  const figures = entries.map(({ contender, runs }) => figureOf(contender.name, runs));
  checkLengths(figures);
  return figures;
}

async function observe({ servers }: Contender, run: () => Promise<Measured>): Promise<Run> {
  const used = () => servers.reduce((sum, server) => sum + cpuSeconds(server), 0);
  const before = used();
  const started = performance.now();
  const measured = await run();
  return { ...measured, serverCpu: ((used() - before) * 1_000) / (performance.now() - started) };
}

function figureOf(contender: string, runs: readonly Run[]): Figure {
  const latencies = runs.flatMap(({ latenciesMs }) => latenciesMs);
  const at = (share: number) => (latencies.length === 0 ? null : percentile(latencies, share));
  return {
    contender,
    deliveriesPerSecond: median(runs.map(({ deliveriesPerSecond }) => deliveriesPerSecond)),
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    loadCpu: Math.max(...runs.map(({ loadCpu }) => loadCpu)),
    serverCpu: median(runs.map(({ serverCpu }) => serverCpu)),
    frameBytes: Math.round(median(runs.map(({ frameBytes }) => frameBytes))),
    deliveries: runs.reduce((sum, { deliveries }) => sum + deliveries, 0),
  };
}

function checkLengths(figures: readonly Figure[]): void {
  const lengths = figures.map(({ frameBytes }) => frameBytes);
  if (Math.max(...lengths) <= Math.min(...lengths) * (1 + LENGTH_TOLERANCE)) return;
  const said = figures.map(({ contender, frameBytes }) => `${contender} ${frameBytes}`).join(', ');
  throw new Error(`Frames are not of one length: ${said} bytes.`);
}

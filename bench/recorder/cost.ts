/** What a piece of work costs: time on the clock, and of this process's processor. */

export interface Cost {
  readonly wallMicros: number;
  readonly cpuMicros: number;
}

/** Per piece, of `times` pieces that the work consists of. */
export async function costOf(times: number, work: () => Promise<void>): Promise<Cost> {
  const cpu = process.cpuUsage();
  const started = performance.now();
  await work();
  const wallMs = performance.now() - started;
  const { user, system } = process.cpuUsage(cpu);
  return { wallMicros: (wallMs * 1_000) / times, cpuMicros: (user + system) / times };
}

export function meanOf(costs: readonly Cost[]): Cost {
  const mean = (what: keyof Cost) => costs.reduce((sum, cost) => sum + cost[what], 0) / costs.length;
  return { wallMicros: mean('wallMicros'), cpuMicros: mean('cpuMicros') };
}

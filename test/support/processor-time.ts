/**
 * What work takes of the processor. Not by the clock: a busy machine lets a process stand still for a second. Each is asked
 * in three tries, of which one is enough.
 */
const TRIES = [1, 2, 3];
const QUICK_MS = 50;

export function takesAtMost(ms: number, work: () => void): boolean {
  return TRIES.some(() => processorMs(work) <= ms);
}

/** Whether four times as much takes about four times as long, and not sixteen; or no time at all. */
export function growsEvenly(most: number, work: (amount: number) => void): boolean {
  // Once before, so that it is compiled.
  work(most / 4);
  return TRIES.some(() => {
    const quarter = processorMs(() => work(most / 4));
    const whole = processorMs(() => work(most));
    return whole <= QUICK_MS || whole <= quarter * 9;
  });
}

function processorMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

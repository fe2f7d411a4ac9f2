/**
 * Whether work takes no more than so much of the processor, in one of three tries. Not by the clock: a busy machine lets a
 * process stand still for a second.
 */
export function takesAtMost(ms: number, work: () => void): boolean {
  return [1, 2, 3].some(() => {
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1_000 <= ms;
  });
}

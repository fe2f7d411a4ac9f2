/**
 * Calls with no sub-event, over the API to a server in a process of its own: 64 at once, until all of them have been
 * acknowledged. What the same loop costs without calls is taken off.
 */
import type * as Recording from '../../src/recorder/index.ts';
import { built } from './built.ts';
import { type Cost, costOf } from './cost.ts';

const { createRecorder } = await built<typeof Recording>('recorder/index.js');

const AT_ONCE = 64;

export async function costOfCalls(
  api: { url: string; token: string },
  times: number,
  markers: boolean,
): Promise<Cost> {
  const recorder = createRecorder({ ...api, markers });
  const bare = await costOf(times, () => inParallel(times, work));
  const called = await costOf(times, async () => {
    await inParallel(times, () => recorder.call('bench', { params: { account: 7 } }, work));
    await recorder.flush();
  });
  await recorder.close();
  return {
    wallMicros: called.wallMicros - bare.wallMicros,
    cpuMicros: called.cpuMicros - bare.cpuMicros,
  };
}

async function work(): Promise<number> {
  return 1;
}

async function inParallel(times: number, run: () => Promise<unknown>): Promise<void> {
  let left = times;
  const lane = async () => {
    while (left-- > 0) await run();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
}

/** The counting, proven in each run: four kinds of mistakes, one of each, in front of the very load that measures. */
import { planForReadyFrames } from './contender.ts';
import { startLoad } from './load-process.ts';
import type { FanoutStage } from './stage.ts';

const MISTAKES = ['lose', 'double', 'replace', 'swap'];
const TRAFFIC = { by: 'all', audience: 'self-check', subscribers: 10 } as const;
const FLOOD = { run: 'flood', seconds: 0.3 } as const;
const PATIENCE_MS = 1_000;

/** @throws when one delivery of thousands is lost, doubled, replaced or swapped, and it is not noticed. */
export async function checkCounting(stage: FanoutStage): Promise<void> {
  const problems = await Promise.all(MISTAKES.map((mistake) => problemFound(stage, mistake)));
  const unnoticed = MISTAKES.filter((_, nth) => !/Missing|Miscounted/.test(problems[nth] ?? ''));
  if (unnoticed.length > 0) throw new Error(`The load does not notice: ${unnoticed.join(', ')}.`);
}

async function problemFound(stage: FanoutStage, mistake: string): Promise<string | null> {
  const server = await stage.spoiltWsSend(mistake);
  const plan = { ...planForReadyFrames(server, TRAFFIC), patienceMs: PATIENCE_MS };
  const load = await startLoad(mistake, plan);
  const problem = await load.run(FLOOD).then(
    () => null,
    (error: Error) => error.message,
  );
  await load.stop();
  await server.stop();
  return problem;
}

/** The parent's end of load.ts. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Answer, Measured, Order, Plan } from './plan.ts';

export interface Load {
  readonly pid: number;
  /** @throws where a delivery was missing, doubled or out of place. */
  run(order: Order): Promise<Measured>;
  stop(): Promise<void>;
}

const FILE = fileURLToPath(new URL('load.ts', import.meta.url));

/** Resolves when every subscriber of the plan has been seen to get what concerns it. */
export async function startLoad(name: string, plan: Plan): Promise<Load> {
  // It ends by itself when this process does.
  const child = fork(FILE, [], { execArgv: ['--import', 'tsx'] });
  const exited = once(child, 'exit');

  async function ask(question: Plan | Order): Promise<Answer> {
    const answered = nextAnswer(child);
    child.send(question);
    const answer = await answered;
    if ('problem' in answer) throw new Error(`${name}: ${answer.problem}`);
    return answer;
  }

  await ask(plan);
  return {
    pid: child.pid as number,
    async run(order) {
      const answer = await ask(order);
      if (!('measured' in answer)) throw new Error(`${name} measured nothing.`);
      return answer.measured;
    },
    async stop() {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}

function nextAnswer(child: ChildProcess): Promise<Answer> {
  return new Promise((resolve) => {
    const settle = (answer: Answer) => {
      child.off('message', settle);
      child.off('exit', end);
      resolve(answer);
    };
    const end = () => settle({ problem: 'the load ended before it had answered.' });
    child.on('message', settle);
    child.on('exit', end);
  });
}

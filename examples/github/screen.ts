/** What the demo shows of itself while it runs. */
import { SingleBar } from 'cli-progress';
import pc from 'picocolors';

const LINE_EVERY = 50;

let bar: SingleBar | null = null;

export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** e.g. `1 event`, `2 events` */
export function counted(number: number, one: string, several = `${one}s`): string {
  return `${number} ${number === 1 ? one : several}`;
}

/**
 * A bar where there is a person to see it move, else a line now and then.
 *
 * @returns what to call with how much was done since.
 */
export function startProgress(what: string, total: number): (by: number) => void {
  if (!process.stderr.isTTY || total === 0) return lineByLine(what, total);
  const started = new SingleBar({
    format: `${what.padEnd(10)} ${pc.cyan('{bar}')} {value} of {total}`,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: 40,
    hideCursor: true,
  });
  started.start(total, 0);
  bar = started;
  return (by) => started.increment(by);
}

/** Gives the terminal back: without it the cursor stays hidden. */
export function stopProgress(): void {
  bar?.stop();
  bar = null;
}

function lineByLine(what: string, total: number): (by: number) => void {
  let done = 0;
  return (by) => {
    const before = done;
    done += by;
    const due = done === total || Math.floor(done / LINE_EVERY) > Math.floor(before / LINE_EVERY);
    if (due) print(`${what.padEnd(10)} ${done} of ${total}`);
  };
}

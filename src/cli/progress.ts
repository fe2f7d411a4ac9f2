/** How far a long command has come, on standard error where that is a terminal. */
import { SingleBar } from 'cli-progress';

export interface Progress {
  /** @param done so far. */
  update(done: number): void;
  /** A line above the bar. */
  say(sentence: string): void;
  stop(): void;
}

/** @param total null where it is not known. */
export function startProgress(unit: string, total: number | null): Progress {
  const say = (sentence: string) => void process.stderr.write(`${sentence}\n`);
  if (process.stderr.isTTY !== true) return { update() {}, say, stop() {} };
  const format =
    total === null
      ? `  {value} ${unit}`
      : `  {bar} {percentage} %  {value}/{total} ${unit}  {eta_formatted} left`;
  // Ctrl-C ends the process at once: nothing of the terminal is changed that would have to be restored.
  const bar = new SingleBar({
    format,
    stream: process.stderr,
    barsize: 20,
    hideCursor: false,
    linewrap: true,
  });
  bar.start(total ?? 0, 0);
  return {
    update: (done) => bar.update(done),
    // The bar draws itself again below.
    say(sentence) {
      process.stderr.write('\r\x1b[K');
      say(sentence);
    },
    stop: () => bar.stop(),
  };
}

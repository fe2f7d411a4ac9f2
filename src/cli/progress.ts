/** How far a long command has come, on standard error where that is a terminal. */
import { SingleBar } from 'cli-progress';

export interface Progress {
  /** @param done of the total. */
  update(done: number): void;
  /** A line above the bar. */
  say(sentence: string): void;
  stop(): void;
}

/** @param total where it is known. */
export function startProgress(unit: string, total: number | null): Progress {
  const say = (sentence: string) => void process.stderr.write(`${sentence}\n`);
  if (process.stderr.isTTY !== true || total === null) return { update() {}, say, stop() {} };
  const format = `  {bar} {percentage} %  {value}/{total} ${unit}  {eta_formatted} left`;
  const bar = new SingleBar({ format, stream: process.stderr, barsize: 30, hideCursor: false });
  bar.start(total, 0);
  return {
    update: (done) => bar.update(done),
    say(sentence) {
      process.stderr.write('\r\x1b[K');
      say(sentence);
    },
    stop: () => bar.stop(),
  };
}

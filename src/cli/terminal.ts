/** Standard output and error of the commands: lines, colours, and what happens when the reader leaves. */
import { once } from 'node:events';
import pc from 'picocolors';

export type Colors = ReturnType<typeof pc.createColors>;

/**
 * Colours for what goes to this stream. picocolors also colours wherever CI is set, and looks at standard
 * output only.
 */
export function colorsFor(stream: NodeJS.WriteStream): Colors {
  // NO_COLOR and FORCE_COLOR are conventions of terminals, not settings of ours.
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
  const wanted = FORCE_COLOR ? FORCE_COLOR !== '0' : stream.isTTY === true && TERM !== 'dumb';
  return pc.createColors(wanted && !NO_COLOR);
}

/** Resolves when there is room for more: a slow reader slows the command down instead of filling memory. */
export async function print(text: string, stream: NodeJS.WritableStream = process.stdout): Promise<void> {
  if (!stream.write(text)) await once(stream, 'drain');
}

export function printJson(value: unknown): Promise<void> {
  return print(`${JSON.stringify(value)}\n`);
}

/** `eventree tail | head` has what it wanted: that is no failure. A disk that is full is one. */
export function endWithReader(): void {
  process.stdout.on('error', endForOutput);
  process.stderr.on('error', endForErrors);
}

/** For what outlives whoever read its greeting. */
export function goOnWithoutReader(): void {
  process.stdout.off('error', endForOutput).on('error', () => {});
  process.stderr.off('error', endForErrors).on('error', () => {});
}

function endForOutput({ code, message }: NodeJS.ErrnoException): void {
  if (code === 'EPIPE') process.exit(0);
  process.stderr.write(`Nothing can be written: ${message}.\n`);
  process.exit(1);
}

function endForErrors({ code }: NodeJS.ErrnoException): void {
  process.exit(code === 'EPIPE' ? 0 : 1);
}

/** Fires at the first Ctrl-C; a second one ends the process at once. */
export function interruption(): AbortSignal {
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort());
  return interrupted.signal;
}

/**
 * Text of events as a terminal may show it: on one line, and without the control characters by which
 * whoever recorded it could move the cursor, change colours or turn the line around.
 */
export function plainText(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]+/gu, ' ');
}

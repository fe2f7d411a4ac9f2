/** How a command tells that it has failed: one sentence on standard error, and an exit code. */
import { StartError } from '../base/errors.ts';
import { EventreeClientError } from '../client/errors.ts';
import { describeConfig } from '../config.ts';

/** What to do about it, where the sentence does not say. */
const HINTS: Readonly<Record<string, string>> = {
  UNREACHABLE: 'Is it running there? --url or EVENTREE_URL says where to find it.',
  UNAUTHENTICATED: 'Commands show the token of --token or EVENTREE_TOKEN; `eventree token` makes one.',
};

/** @returns the exit code: 2 for wrong use, 1 for anything else. */
export function complain(error: unknown): 1 | 2 {
  process.stderr.write(`${sentenceOf(error)}\n`);
  if (isDebugging() && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  return error instanceof StartError ? 2 : 1;
}

/** What went wrong, for a person. */
function sentenceOf(error: unknown): string {
  if (error instanceof EventreeClientError) {
    const hint = HINTS[error.code];
    return hint === undefined ? error.message : `${error.message}\n${hint}`;
  }
  // As sockets fail where a name has several addresses: the message is empty.
  if (error instanceof AggregateError && error.message === '') return error.errors.map(sentenceOf).join('\n');
  return error instanceof Error ? error.message || error.name : String(error);
}

function isDebugging(): boolean {
  const level = describeConfig().find(({ variable }) => variable === 'EVENTREE_LOG_LEVEL')?.value;
  return level === 'debug' || level === 'trace';
}

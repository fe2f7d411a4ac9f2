/**
 * `$transaction` of a client with the extension: what runs in it is told its connection, and a list of operations is
 * run one by one, because between them there is something to read.
 */
import type { Connections, Tracking } from './connections.ts';
import {
  type Client,
  type Interactive,
  isPrismaPromise,
  type PrismaPromise,
  runWithin,
  type TransactionClient,
  type TransactionOptions,
  transactionOf,
} from './internals.ts';
import { WRITES } from './step.ts';

/**
 * `$transaction`, whose list of operations becomes a function where one of them is to be recorded. It is the
 * original one in all else, whatever client it is called on.
 */
export function transactionMethod(client: Client, recorded: ReadonlySet<string>, connections: Connections) {
  const { $transaction: original } = client;
  return function $transaction(
    this: unknown,
    input: unknown,
    options?: TransactionOptions,
  ): Promise<unknown> {
    // By itself it fails as one of Prisma's operations, at its commit too.
    if (isList(input) && input.length === 1 && options === undefined && inOrder(input, recorded) !== null) {
      return Promise.all(input);
    }
    const run: InTransaction | null = isFunction(input)
      ? (transaction) => input(transaction)
      : inOrder(input, recorded);
    if (run === null) return original.call(this, input, options);
    return connections.start((tracking) => original.call(this, tracked(tracking, run), options));
  };
}

type InTransaction = (transaction: TransactionClient, running: Interactive) => Promise<unknown>;

/** Says from when to when there is the transaction. */
export function tracked(tracking: Tracking, run: InTransaction) {
  return async (transaction: TransactionClient) => {
    const running = await transactionOf(transaction);
    tracking.begin(running.id);
    try {
      return await run(transaction, running);
    } finally {
      tracking.end(running.id);
    }
  };
}

/** The operations one by one; null where none of them is recorded. */
function inOrder(list: unknown, recorded: ReadonlySet<string>): InTransaction | null {
  if (!isList(list) || !list.every(isPrismaPromise)) return null;
  if (!list.some((each) => isRecorded(each, recorded))) return null;
  return async (_, running) => {
    const results: unknown[] = [];
    for (const each of list) results.push(await runWithin(each, running));
    return results;
  };
}

function isFunction(input: unknown): input is (transaction: TransactionClient) => Promise<unknown> {
  return typeof input === 'function';
}

function isList(input: unknown): input is readonly unknown[] {
  return Array.isArray(input);
}

function isRecorded({ spec }: PrismaPromise, recorded: ReadonlySet<string>): boolean {
  const { model, action } = spec ?? {};
  return model !== undefined && recorded.has(model) && WRITES.some((write) => write === action);
}

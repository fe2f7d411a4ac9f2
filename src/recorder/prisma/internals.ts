/**
 * What of Prisma's client is not public, and recording needs all the same: in which transaction a query runs, and
 * a client for that transaction. Query extensions are told neither (prisma/prisma#20789). All of it stands here,
 * as of Prisma 7.10, and is looked at before anything is extended.
 */
import type { PrismaQueryable } from '../../outbox/statement.ts';
import { RecorderError } from '../errors.ts';
import type { AdapterFactory } from './connections.ts';

/** Fields and relations, without keys, columns and actions. */
export interface RuntimeModels {
  readonly models: Readonly<
    Record<
      string,
      {
        readonly dbName: string | null;
        readonly schema?: string | null;
        readonly fields: readonly {
          readonly name: string;
          readonly kind: 'scalar' | 'enum' | 'object' | 'unsupported';
          readonly type: string;
          readonly relationName?: string | null;
          readonly dbName?: string | null;
        }[];
      }
    >
  >;
}

export interface Interactive {
  readonly kind: 'itx';
  readonly id: string;
}

export type RunningIn =
  | Interactive
  | { readonly kind: 'batch'; readonly id: number; readonly lock: PromiseLike<void> };

/** What a query is run with, handed from one extension to the next. */
export interface QueryParams {
  readonly args?: Args;
  readonly action: string;
  /** `account.update`, as it is shown in errors. */
  readonly clientMethod: string;
  readonly dataPath: readonly string[];
  readonly transaction?: RunningIn | undefined;
  /** Is given what was answered. */
  readonly unpacker?: (answer: never) => unknown;
}

/** Arguments of an operation: `where`, `data`, `select` and others. */
export type Args = Readonly<Record<string, unknown>>;

export interface QueryHook {
  readonly model: string;
  readonly operation: string;
  readonly args: Args;
  readonly query: (args: Args, params?: QueryParams) => Promise<unknown>;
  readonly __internalParams: QueryParams;
}

/** What `$transaction` hands to its function. */
export interface TransactionClient extends PrismaQueryable {
  $transaction<T>(run: (transaction: TransactionClient) => Promise<T>, options?: object): Promise<T>;
}

/** What a client's methods answer: nothing has been run before somebody waits for it. */
export interface PrismaPromise extends PromiseLike<unknown> {
  readonly spec?: { readonly model?: string; readonly action: string; readonly args?: Args };
  requestTransaction?(transaction: RunningIn): Promise<unknown>;
}

export interface TransactionOptions {
  readonly maxWait?: number;
  readonly timeout?: number;
  readonly isolationLevel?: string;
}

type StartTransaction = (this: unknown, input: unknown, options?: TransactionOptions) => Promise<unknown>;

/** A client, extended or not. */
export interface Client extends PrismaQueryable {
  $transaction: StartTransaction;
  $extends(extension: object): Client;
  /** The one that was constructed, without any extension. */
  readonly _originalClient: Client;
  readonly _errorFormat: string;
  readonly _runtimeDataModel: RuntimeModels;
  readonly _engineConfig: {
    readonly activeProvider: string;
    readonly inlineSchema: string;
    readonly transactionOptions: TransactionOptions;
    /** Of `@prisma/adapter-pg`: the schema of tables that name none. */
    readonly adapter?: AdapterFactory & { readonly options?: { readonly schema?: string } };
  };
  readonly _globalOmit?: Readonly<Record<string, Readonly<Record<string, boolean>>>>;
  readonly _extensions: {
    getAllComputedFields(
      model: string,
    ): Readonly<Record<string, { readonly name: string; readonly needs: readonly string[] }>> | undefined;
  };
  _createItxClient(
    transaction: RunningIn,
    scopeId: string,
    scopeState: { readonly stack: string[] },
  ): TransactionClient;
}

/** @throws RecorderError BAD_INPUT for what is no Prisma client of a version that is known, on PostgreSQL. */
export function clientOf(given: unknown): Client {
  const client = given as Client;
  const isKnown =
    typeof client?.$transaction === 'function' &&
    typeof client._originalClient?._createItxClient === 'function' &&
    typeof client._engineConfig?.inlineSchema === 'string' &&
    typeof client._runtimeDataModel?.models === 'object';
  if (!isKnown) {
    throw new RecorderError(
      'BAD_INPUT',
      'eventree() extends a client of Prisma 7: prisma.$extends(eventree({ … })).',
    );
  }
  if (client._engineConfig.activeProvider !== 'postgresql') {
    throw new RecorderError(
      'BAD_INPUT',
      'eventree() records what is written to PostgreSQL, and to no other database.',
    );
  }
  return client;
}

/** A client without extensions, whose queries run in the transaction. */
export function clientIn(client: Client, transaction: RunningIn): TransactionClient {
  // The scope is for transactions within it, of which there will be none.
  return client._originalClient._createItxClient(transaction, 'eventree', { stack: [] });
}

/** Which transaction that is, to run other queries in it. */
export async function transactionOf(client: TransactionClient): Promise<Interactive> {
  // Not among its types: see the head of this file.
  const { _createPrismaPromise: make } = client as unknown as {
    _createPrismaPromise(run: (transaction: Interactive) => Promise<Interactive>): Promise<Interactive>;
  };
  return make(async (transaction) => transaction);
}

/** A query of any client, run within the transaction. */
export function runWithin(promise: PrismaPromise, transaction: RunningIn): Promise<unknown> {
  return promise.requestTransaction?.(transaction) ?? Promise.resolve(promise);
}

export function isPrismaPromise(given: unknown): given is PrismaPromise {
  return (
    (given as { readonly [Symbol.toStringTag]?: string } | null)?.[Symbol.toStringTag] === 'PrismaPromise'
  );
}

/** Delegates of a client: `transaction.account.findMany(…)`. */
export function delegateOf(
  client: TransactionClient,
  property: string,
): Readonly<Record<'findMany' | 'findUnique', (args: object) => Promise<unknown>>> {
  // Which models a client has is known to the application's types only.
  return (client as unknown as Readonly<Record<string, never>>)[property] as never;
}

/**
 * Our own statements in a transaction, straight to the driver that Prisma's adapter has for it: by way of Prisma each
 * takes as long again in this process as in the database, and there are two to every update.
 *
 * The adapter is asked for its connections when the client connects; of a client that has connected before it was
 * extended nothing is known here, and its statements go by Prisma. So do those of a transaction that has ended: its
 * connection may be somebody else's by then.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { PgQueryable } from '../../outbox/statement.ts';

/** Of `@prisma/driver-adapter-utils`: what is used here. */
export interface AdapterFactory {
  connect(): Promise<DriverAdapter>;
}

interface DriverAdapter {
  startTransaction(...given: unknown[]): Promise<DriverTransaction>;
}

interface DriverTransaction {
  queryRaw(query: DriverQuery): Promise<{
    readonly columnNames: readonly string[];
    readonly rows: readonly (readonly unknown[])[];
  }>;
  executeRaw(query: DriverQuery): Promise<number>;
  commit(): Promise<void>;
  rollback(): Promise<void>;
}

interface DriverQuery {
  readonly sql: string;
  readonly args: readonly unknown[];
  readonly argTypes: readonly { readonly scalarType: 'string'; readonly arity: 'scalar' | 'list' }[];
}

/** A transaction that is being started: told of its connection by the adapter. */
interface Start {
  connection: Connection | null;
}

const starting = new AsyncLocalStorage<Start>();
const watched = new WeakSet<AdapterFactory>();

export class Connections {
  private readonly byTransaction = new Map<string, Connection>();

  constructor(factory: AdapterFactory | undefined) {
    if (typeof factory?.connect === 'function') watchConnects(factory);
  }

  /**
   * Runs what starts a transaction.
   *
   * @param run is given what to call when the transaction has its id, and again when it is over.
   */
  start<T>(run: (transaction: Tracking) => Promise<T>): Promise<T> {
    const start: Start = { connection: null };
    const { byTransaction } = this;
    return starting.run(start, () =>
      run({
        begin(id) {
          // A transaction within another has its connection, and its id.
          if (start.connection !== null) byTransaction.set(id, start.connection);
        },
        end(id) {
          if (byTransaction.get(id) === start.connection) byTransaction.delete(id);
        },
      }),
    );
  }

  /** Null where statements have to go by Prisma. */
  of(transactionId: string): PgQueryable | null {
    const connection = this.byTransaction.get(transactionId);
    return connection?.isOpen === true ? connection : null;
  }
}

export interface Tracking {
  begin(transactionId: string): void;
  end(transactionId: string): void;
}

function watchConnects(factory: AdapterFactory): void {
  if (watched.has(factory)) return;
  watched.add(factory);
  const connect = factory.connect.bind(factory);
  factory.connect = async () => {
    const adapter = await connect();
    const startTransaction = adapter.startTransaction.bind(adapter);
    adapter.startTransaction = async (...given) => {
      const transaction = await startTransaction(...given);
      const start = starting.getStore();
      // The first is the one that was to be started; what runs within it may start others.
      if (start !== undefined) start.connection ??= new Connection(transaction);
      return transaction;
    };
    return adapter;
  };
}

class Connection implements PgQueryable {
  isOpen = true;
  private readonly transaction: DriverTransaction;

  constructor(transaction: DriverTransaction) {
    this.transaction = transaction;
    const { executeRaw, commit, rollback } = transaction;
    const close = () => {
      this.isOpen = false;
    };
    // Before the statement is sent that ends it: none of ours can come behind that.
    transaction.executeRaw = (query) => {
      if (query.sql === 'COMMIT' || query.sql === 'ROLLBACK') close();
      return executeRaw.call(transaction, query);
    };
    transaction.commit = () => {
      close();
      return commit.call(transaction);
    };
    transaction.rollback = () => {
      close();
      return rollback.call(transaction);
    };
  }

  async query(text: string, values: readonly unknown[]): Promise<{ readonly rows: unknown[] }> {
    const argTypes = values.map((value) => (Array.isArray(value) ? LIST : SCALAR));
    const { columnNames, rows } = await this.transaction.queryRaw({ sql: text, args: values, argTypes });
    return {
      rows: rows.map((row) => Object.fromEntries(columnNames.map((name, i) => [name, row[i]]))),
    };
  }
}

const SCALAR = { scalarType: 'string', arity: 'scalar' } as const;
const LIST = { scalarType: 'string', arity: 'list' } as const;

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
    let begun: Connection | null = null;
    return starting.run(start, () =>
      run({
        begin(id) {
          // A transaction within another starts none, and has the id and the connection of that.
          begun = start.connection;
          if (begun !== null) byTransaction.set(id, begun);
        },
        end(id) {
          if (begun !== null && byTransaction.get(id) === begun) byTransaction.delete(id);
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
      if (start !== undefined) start.connection = new Connection(transaction);
      return transaction;
    };
    return adapter;
  };
}

class Connection implements PgQueryable {
  isOpen = true;
  private readonly queryRaw: DriverTransaction['queryRaw'];
  /** Statements of ours that were sent and not answered yet. */
  private pending: Promise<unknown> = NOTHING;

  constructor(transaction: DriverTransaction) {
    const { queryRaw, executeRaw, commit, rollback } = transaction;
    this.queryRaw = queryRaw.bind(transaction);
    // What Prisma is given to run meanwhile it may get ready, and not send: the order is ours.
    transaction.queryRaw = async (query) => {
      if (this.pending !== NOTHING) await this.pending;
      return queryRaw.call(transaction, query);
    };
    transaction.executeRaw = async (query) => {
      // Before the statement that ends the transaction: none of ours can come behind that.
      if (query.sql === 'COMMIT' || query.sql === 'ROLLBACK') this.isOpen = false;
      if (this.pending !== NOTHING) await this.pending;
      return executeRaw.call(transaction, query);
    };
    transaction.commit = () => {
      this.isOpen = false;
      return commit.call(transaction);
    };
    transaction.rollback = () => {
      this.isOpen = false;
      return rollback.call(transaction);
    };
  }

  /** Is sent before anything that Prisma is given to run after this has been called. */
  async query(text: string, values: readonly unknown[]): Promise<{ readonly rows: unknown[] }> {
    if (!this.isOpen) throw new Ended();
    const argTypes = values.map((value) => (Array.isArray(value) ? LIST : SCALAR));
    const answering = this.queryRaw({ sql: text, args: values, argTypes });
    const clear = (): void => {
      if (this.pending === answered) this.pending = NOTHING;
    };
    const answered: Promise<unknown> = answering.then(clear, clear);
    this.pending = answered;
    const { columnNames, rows } = await answering;
    return {
      rows: rows.map((row) => Object.fromEntries(columnNames.map((name, i) => [name, row[i]]))),
    };
  }
}

const NOTHING: Promise<unknown> = Promise.resolve();
const SCALAR = { scalarType: 'string', arity: 'scalar' } as const;
const LIST = { scalarType: 'string', arity: 'list' } as const;

/** By Prisma's code for a transaction that is over: the operation that asked will be told so by Prisma itself. */
class Ended extends Error {
  readonly code = 'P2028';

  constructor() {
    super('The transaction has ended.');
  }
}

/**
 * Which connection a transaction has. The adapter is asked when the client connects; of a client that has connected
 * before it was extended nothing is known here, and its statements go by Prisma.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { Connection, type DriverTransaction, type OwnWay, type Server } from './connection.ts';

/** Of `@prisma/driver-adapter-utils`: what is used here. */
export interface AdapterFactory {
  connect(): Promise<DriverAdapter>;
}

interface DriverAdapter {
  startTransaction(...given: unknown[]): Promise<DriverTransaction>;
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
  of(transactionId: string): OwnWay | null {
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
    const server: Server = { version: null };
    const startTransaction = adapter.startTransaction.bind(adapter);
    adapter.startTransaction = async (...given) => {
      const transaction = await startTransaction(...given);
      const start = starting.getStore();
      if (start !== undefined) start.connection = new Connection(transaction, server);
      return transaction;
    };
    return adapter;
  };
}

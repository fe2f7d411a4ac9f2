/**
 * Our own statements in a transaction, straight to the driver that Prisma's adapter has for it. What is read is told by
 * the operation's own statement (old-row.ts), or sent before it, while Prisma gets that ready; what is written waits,
 * and is sent with COMMIT, at once with it where the driver can. An update thus takes no round trip more, or one:
 *
 *     BEGIN   UPDATE … RETURNING …, old.…                         INSERT INTO … parcel; COMMIT
 *     BEGIN   SELECT … FOR NO KEY UPDATE   UPDATE … RETURNING …   INSERT INTO … parcel; COMMIT
 *
 * None is sent when the transaction has ended: its connection may be somebody else's by then.
 */
import type { PgQueryable } from '../../outbox/statement.ts';
import { RecorderError } from '../errors.ts';
import { type Asking, type DriverAnswer, type OldRow, Wish } from './old-row.ts';

/** Of `@prisma/driver-adapter-utils`: what is used here. */
export interface DriverTransaction {
  queryRaw(query: DriverQuery): Promise<DriverAnswer>;
  executeRaw(query: DriverQuery): Promise<number>;
  commit(): Promise<void>;
  rollback(): Promise<void>;
  readonly adapterName?: string;
  readonly pgOptions?: { readonly statementNameGenerator?: unknown };
}

interface DriverQuery {
  readonly sql: string;
  readonly args: readonly unknown[];
  readonly argTypes: readonly { readonly scalarType: 'string'; readonly arity: 'scalar' | 'list' }[];
}

/** Statements of ours in a transaction. */
export interface OwnWay {
  /** Sent at once, before anything that Prisma is given to run after this has been called. */
  readonly now: PgQueryable;
  /** Sent with COMMIT where that can be, and forgotten with a rollback; for what answers no rows. */
  readonly later: PgQueryable;
  /** Runs an operation of Prisma's that changes one row, and learns how that was before. */
  changing<T, Row>(
    old: OldRow<Row>,
    run: () => Promise<T>,
  ): Promise<[PromiseSettledResult<Row | null>, PromiseSettledResult<T>]>;
}

/** The server behind an adapter. */
export interface Server {
  /** As PostgreSQL numbers its versions: 180004. Null while it has not been asked. */
  version: number | null;
}

export class Connection implements OwnWay {
  isOpen = true;
  readonly now: PgQueryable = { query: (text, values) => this.send(text, values) };
  readonly later: PgQueryable = {
    query: async (text, values) => {
      if (!this.isOpen) throw new Ended();
      if (!this.isPg) return this.send(text, values);
      this.waiting.push(queryOf(text, values));
      return { rows: [] };
    },
  };
  private readonly driver: Pick<DriverTransaction, 'queryRaw' | 'executeRaw'>;
  /** Of which it is known that savepoints are statements like any other, and COMMIT is one too. */
  private readonly isPg: boolean;
  /** Whether several statements can be one message. */
  private readonly joins: boolean;
  /** Statements of ours that were sent and not answered yet. */
  private pending: Promise<unknown> = NOTHING;
  /** To be sent with COMMIT. */
  private waiting: DriverQuery[] = [];
  /** Of the operation whose first statement is to come. */
  private wish: Asking | null = null;
  private readonly server: Server;

  constructor(transaction: DriverTransaction, server: Server) {
    const { queryRaw, executeRaw, commit, rollback } = transaction;
    this.driver = { queryRaw: queryRaw.bind(transaction), executeRaw: executeRaw.bind(transaction) };
    this.isPg = transaction.adapterName === '@prisma/adapter-pg';
    // A statement with a name is a message of its own.
    this.joins = transaction.pgOptions?.statementNameGenerator === undefined;
    this.server = server;

    // What Prisma is given to run meanwhile it may get ready, and not send: the order is ours.
    transaction.queryRaw = async (query) => {
      const { wish } = this;
      const sql = wish?.widened(query.sql) ?? null;
      if (wish !== null && sql !== null) {
        this.wish = null;
        await this.before(query);
        return wish.narrowed(await this.driver.queryRaw({ ...query, sql }));
      }
      await this.before(query);
      return this.driver.queryRaw(query);
    };
    transaction.executeRaw = async (query) => {
      const { sql } = query;
      // Before the statement that ends the transaction: none of ours can come behind that.
      if (sql === COMMIT.sql || sql === ROLLBACK.sql) this.isOpen = false;
      if (sql === ROLLBACK.sql) this.waiting = [];
      if (sql === COMMIT.sql && this.waiting.length > 0) return this.commit();
      await this.before(query);
      return this.driver.executeRaw(query);
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

  async changing<T, Row>(
    old: OldRow<Row>,
    run: () => Promise<T>,
  ): Promise<[PromiseSettledResult<Row | null>, PromiseSettledResult<T>]> {
    if (!(await this.tellsOld())) return Promise.allSettled([old.read(), run()]);
    const wish = new Wish(old);
    this.wish = wish;
    const settled = await Promise.allSettled([wish.row, wish.during(run)]);
    if (this.wish === wish) this.wish = null;
    return settled;
  }

  private async tellsOld(): Promise<boolean> {
    if (!this.isPg || !this.isOpen) return false;
    try {
      this.server.version ??= Number((await this.driver.queryRaw(VERSION)).rows[0]?.[0]);
    } catch {
      // The transaction has failed before, which the next statement will be told too.
      return false;
    }
    return this.server.version >= TELLS_OLD;
  }

  private async send(text: string, values: readonly unknown[]): Promise<{ readonly rows: unknown[] }> {
    if (!this.isOpen) throw new Ended();
    const answering = this.driver.queryRaw(queryOf(text, values));
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

  /** What of ours has to be there before a statement of others. */
  private async before({ sql }: DriverQuery): Promise<void> {
    const { wish } = this;
    this.wish = null;
    wish?.readItself();
    if (this.pending !== NOTHING) await this.pending;
    if (this.waiting.length > 0 && ASKS_FOR_OURS.test(sql)) await this.flush();
  }

  /** Sends what waits. */
  private async flush(): Promise<void> {
    const { waiting } = this;
    this.waiting = [];
    for (const query of waiting) await this.driver.executeRaw(query);
  }

  /** Sends what waits, and ends the transaction in any case: its connection goes back to the pool. */
  private async commit(): Promise<number> {
    if (this.pending !== NOTHING) await this.pending;
    const { waiting } = this;
    try {
      if (!this.joins) {
        await this.flush();
        return await this.driver.executeRaw(COMMIT);
      }
      const sql = [...this.waiting.map(inOneText), COMMIT.sql].join(';\n');
      return await this.driver.executeRaw({ ...COMMIT, sql });
    } catch (error) {
      // Something failed before, and the application went on: PostgreSQL takes that COMMIT for a rollback.
      if (codeOf(error) === ABORTED) return this.driver.executeRaw(COMMIT);
      await this.driver.executeRaw(ROLLBACK).catch(() => {});
      if (!NOT_THERE.test(codeOf(error))) throw error;
      // A role that the transaction had taken is gone by now: what it was refused is told by the words alone.
      const isOurs = NAMES_OURS.test(messageOf(error)) || (await this.isRefused(waiting));
      throw isOurs ? asUnrecorded(error) : error;
    }
  }

  /** Whether statements of ours fail by themselves: what COMMIT runs, as deferred triggers, may fail alike. */
  private async isRefused(ours: readonly DriverQuery[]): Promise<boolean> {
    try {
      await this.driver.executeRaw(BEGIN);
      for (const query of ours) await this.driver.executeRaw(query);
      return false;
    } catch {
      return true;
    } finally {
      await this.driver.executeRaw(ROLLBACK).catch(() => {});
    }
  }
}

/** From version 18 on. */
const TELLS_OLD = 180_000;
const VERSION: DriverQuery = {
  sql: "select current_setting('server_version_num')",
  args: [],
  argTypes: [],
};
const BEGIN: DriverQuery = { sql: 'BEGIN', args: [], argTypes: [] };
const COMMIT: DriverQuery = { sql: 'COMMIT', args: [], argTypes: [] };
const ROLLBACK: DriverQuery = { sql: 'ROLLBACK', args: [], argTypes: [] };

/**
 * Reads the outbox, or makes a savepoint of the application's own, or goes back to one: wherever that stands, behind a
 * comment or another statement. To send ours once too often costs a round trip.
 */
const ASKS_FOR_OURS = /eventree_outbox|\b(?:savepoint|rollback|release)\b/i;

function queryOf(text: string, values: readonly unknown[]): DriverQuery {
  return { sql: text, args: values, argTypes: values.map((value) => (Array.isArray(value) ? LIST : SCALAR)) };
}

/** The values in their places, as literals: several statements in one message have no parameters. */
function inOneText({ sql, args }: DriverQuery): string {
  return sql.replace(/\$(\d+)/g, (_, number: string) => literal(args[Number(number) - 1]));
}

function literal(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (Array.isArray(value)) return `array[${value.map(literal).join(', ')}]`;
  const text = String(value).replaceAll("'", "''");
  // As PostgreSQL reads it whatever `standard_conforming_strings` says.
  return text.includes('\\') ? ` E'${text.replaceAll('\\', '\\\\')}'` : `'${text}'`;
}

const ABORTED = '25P02';
/** Errors of this class may be ours: there is no outbox, or no right to write to it. */
const NOT_THERE = /^42/;
const NAMES_OURS = /eventree_outbox|table "?parcel\b/;

interface DriverFailure {
  readonly cause?: { readonly originalCode?: string; readonly originalMessage?: string };
}

function codeOf(error: unknown): string {
  return ((error ?? {}) as DriverFailure).cause?.originalCode ?? '';
}

function messageOf(error: unknown): string {
  return ((error ?? {}) as DriverFailure).cause?.originalMessage ?? '';
}

function asUnrecorded(error: unknown): RecorderError {
  return new RecorderError(
    'UNRECORDED',
    `The transaction was rolled back, because its events could not be written: ${messageOf(error)}`,
    { cause: error },
  );
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

/**
 * The row that an UPDATE of Prisma's changes, as it was before: asked of that very statement, which takes no round trip
 * more and no lock. PostgreSQL tells old values from version 18 on.
 *
 *     UPDATE … RETURNING "id", …
 *     UPDATE … RETURNING WITH (OLD AS "eventree_old") "id", …, "eventree_old"."balance"
 */
import { AsyncLocalStorage } from 'node:async_hooks';

/** A row as it was before an operation, and the ways to learn of it. */
export interface OldRow<Row> {
  /** As Prisma names it in SQL, with its schema. */
  readonly table: string;
  /** What makes up the row: expressions of SQL, given the name by which the old row is known. */
  columns(old: string): readonly string[];
  /** The row, of the columns' values. */
  toRow(values: readonly unknown[]): Row;
  /** Reads and locks the row, by a statement of its own. It is sent before this returns. */
  read(): Promise<Row | null>;
}

/** Of what a driver answers: what is changed here. */
export interface DriverAnswer {
  readonly columnNames: readonly string[];
  readonly columnTypes?: readonly unknown[];
  readonly rows: readonly (readonly unknown[])[];
}

/** What a connection makes of a wish. */
export type Asking = Pick<Wish<unknown>, 'widened' | 'narrowed' | 'readItself'>;

/** The wish of one operation to be told of the old row. */
export class Wish<Row> {
  /** Null where there was none, or nothing came of the operation. */
  readonly row: Promise<Row | null>;
  private readonly asked: OldRow<Row>;
  private tell: (row: Row | null | Promise<Row | null>) => void = () => {};

  constructor(asked: OldRow<Row>) {
    this.asked = asked;
    this.row = new Promise((resolve) => {
      this.tell = resolve;
    });
  }

  /** Runs the operation: its statements are known by this. */
  async during<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await wishing.run(this, run);
    } finally {
      this.tell(null);
    }
  }

  /** The statement with what is asked of it; null where it is none that can tell, or is not the operation's. */
  widened(sql: string): string | null {
    const at = sql.indexOf(RETURNING);
    const isPlain = at > 0 && at === sql.lastIndexOf(RETURNING) && changes(sql, this.asked.table);
    if (!isPlain || wishing.getStore() !== this) return null;
    const before = sql.slice(0, at);
    const own = sql.slice(at + RETURNING.length);
    return `${before}${RETURNING}WITH (OLD AS ${OLD}) ${own}, ${this.asked.columns(OLD).join(', ')}`;
  }

  /** Takes what was asked for out of the answer. */
  narrowed<Answer extends DriverAnswer>(answer: Answer): Answer {
    const { columnNames, columnTypes, rows } = answer;
    const own = columnNames.length - this.asked.columns(OLD).length;
    const [row] = rows;
    this.tell(row === undefined ? null : this.asked.toRow(row.slice(own)));
    return {
      ...answer,
      columnNames: columnNames.slice(0, own),
      ...(columnTypes !== undefined && { columnTypes: columnTypes.slice(0, own) }),
      rows: rows.map((each) => each.slice(0, own)),
    };
  }

  /** The row is read by a statement of its own. */
  readItself(): void {
    this.tell(this.asked.read());
  }
}

/** Whether it is an UPDATE of the table. */
function changes(sql: string, table: string): boolean {
  return sql.startsWith(`UPDATE ${table} SET `);
}

const wishing = new AsyncLocalStorage<unknown>();
const RETURNING = ' RETURNING ';
const OLD = '"eventree_old"';

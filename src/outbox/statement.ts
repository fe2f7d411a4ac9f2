/** One way to say SQL to whatever the application has at hand: `pg` or Prisma, the pool or a transaction. */

/** A pool or client of `pg`, by its shape. */
export interface PgQueryable {
  query(text: string, values: unknown[]): Promise<{ readonly rows: unknown[] }>;
}

/** A Prisma client, or what `$transaction` hands to its function. */
export interface PrismaQueryable {
  $queryRawUnsafe<T = unknown>(text: string, ...values: unknown[]): Promise<T>;
}

/** Where statements can be run; within a transaction where it is one. */
export type Queryable = PgQueryable | PrismaQueryable;

/** Runs one statement and answers its rows. */
export type Run = <Row>(text: string, values: readonly unknown[]) => Promise<Row[]>;

export function runOn(queryable: Queryable): Run {
  if (isPrisma(queryable)) {
    return <Row>(text: string, values: readonly unknown[]) =>
      queryable.$queryRawUnsafe<Row[]>(text, ...values);
  }
  // Rows are what the statement selects.
  return async <Row>(text: string, values: readonly unknown[]) =>
    (await queryable.query(text, [...values])).rows as Row[];
}

/** Whether something can be asked so at all. */
export function isQueryable(given: unknown): given is Queryable {
  return isPrisma(given) || typeof (given as PgQueryable | null)?.query === 'function';
}

// Called, and not looked up by name: a Prisma client answers for names that it does not have.
function isPrisma(given: unknown): given is PrismaQueryable {
  return typeof (given as PrismaQueryable | null)?.$queryRawUnsafe === 'function';
}

/**
 * For a process that is to die at an exact moment: counts what it says to the outside, statements to PostgreSQL
 * and requests over HTTP, and ends itself as by `kill -9` at one of them.
 *
 *     before   it has not been said
 *     during   it has been sent, and nobody here learns what came of it
 */
import pg from 'pg';

export interface Moment {
  readonly when: 'before' | 'during';
  /** From 1. */
  readonly step: number;
}

/** @returns how many steps have been taken so far. */
export function dieAt(moment: Moment | null): () => number {
  let steps = 0;
  const step = <T>(say: () => T): T => {
    const isLast = moment?.step === ++steps;
    if (isLast && moment.when === 'before') die();
    const said = say();
    if (isLast) setImmediate(die);
    return said;
  };

  const query = pg.Client.prototype.query;
  // The overloads of `query` are passed on as they were called.
  pg.Client.prototype.query = function (this: pg.Client, ...given: unknown[]) {
    return step(() => Reflect.apply(query, this, given));
  } as typeof query;
  const { fetch } = globalThis;
  globalThis.fetch = (...given) => step(() => fetch(...given));
  return () => steps;
}

function die(): never {
  process.kill(process.pid, 'SIGKILL');
  // The signal takes a moment, in which nothing more may be said.
  for (;;);
}

/** What a failed statement says about the database rather than about itself. */
import pg from 'pg';
import { logged, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { Prisma } from '../generated/prisma/client.ts';

// Class 08: connection. 57P01 to 57P03: shut down, crashed, starting up. Class 53: out of resources.
// 25P03: this process stood still within a transaction for too long, and its connection was ended.
const AWAY = /^(08|53|57P0[123]|25P03)/;
// As node's sockets and pg's client and pool say it; none of them has a class of its own.
const CONNECTION_MESSAGE =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered)/;
/** See errno(3): ECONNREFUSED, ECONNRESET, EPIPE, ENOENT where a socket was, … */
const SYSTEM_ERROR = /^E[A-Z]+$/;
/** What @prisma/adapter-pg makes of the same. */
const AWAY_TO_PRISMA = ['ConnectionClosed', 'DatabaseNotReachable', 'SocketTimeout'];

/** What background work does with an error that it will meet again or not. */
export function reportTo(logger: Logger): (error: unknown) => void {
  return (error) => {
    if (isAway(error)) logger.warn({ error: messageOf(error) }, 'the database cannot be reached');
    else logger.error(logged(error), 'background work failed');
  };
}

/** The database is away, restarting or full: whether a statement that was under way took effect is not known. */
export function isAway(error: unknown): boolean {
  if (error instanceof pg.DatabaseError) return AWAY.test(error.code ?? '');
  if (error instanceof Prisma.PrismaClientKnownRequestError) return isAwayToPrisma(error);
  if (!(error instanceof Error)) return false;
  return CONNECTION_MESSAGE.test(error.message) || ('code' in error && SYSTEM_ERROR.test(String(error.code)));
}

/** Prisma wraps what the driver said, and a system error's code may be all that is left of it. */
function isAwayToPrisma({ code, meta }: Prisma.PrismaClientKnownRequestError): boolean {
  // Its type leaves open what the adapter puts there.
  const wrapped = meta?.driverAdapterError as
    | { readonly cause?: { readonly kind: string; readonly originalCode?: string } }
    | undefined;
  const { kind = '', originalCode = '' } = wrapped?.cause ?? {};
  return SYSTEM_ERROR.test(code) || AWAY_TO_PRISMA.includes(kind) || AWAY.test(originalCode);
}

/** Lost against another transaction; the same may succeed if it is tried again from the start. */
export function isLostRace(error: unknown): boolean {
  // Unique violation, serialisation failure, deadlock.
  return error instanceof pg.DatabaseError && ['23505', '40001', '40P01'].includes(error.code ?? '');
}

/** A statement ran longer than the session allows. */
export function isTimeout(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === '57014';
}

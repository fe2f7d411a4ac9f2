/**
 * Errors as a caller of Prisma knows them. Statements of ours stand between what was asked for and what is done, and
 * may be the first to fail; a caller must not be able to tell.
 */
import { RecorderError } from '../errors.ts';
import type { TransactionClient } from './internals.ts';

/** What Prisma throws for what it knows: its class is not at hand here, but its shape is. */
interface KnownError extends Error {
  readonly code: string;
  readonly clientVersion: string;
  readonly meta?: { readonly driverAdapterError?: DriverError };
}

/** What adapters throw; Prisma wraps it, and of statements past Prisma it comes as it is. */
interface DriverError extends Error {
  readonly cause: {
    readonly kind?: string;
    readonly originalCode?: string;
    readonly originalMessage?: string;
    readonly constraint?: { readonly fields?: readonly string[]; readonly index?: string };
  };
}

/** Of the operation that a caller asked for, as errors tell of it. */
export interface Asked {
  /** `account.update` */
  readonly clientMethod: string;
  readonly modelName: string;
  /** The client's, by which errors show more or less. */
  readonly errorFormat: string;
}

/**
 * A statement of ours fails as the caller's own would have, which was to meet the same: a conflict of transactions
 * with P2034, for which applications try again; a value that the database does not take with what Prisma says of it.
 *
 * @param transaction in which it failed.
 */
export async function asOfCaller(
  error: unknown,
  { clientMethod, modelName, errorFormat }: Asked,
  transaction: TransactionClient,
): Promise<unknown> {
  const driverAdapterError = driverErrorOf(error);
  if (driverAdapterError === null) return error;
  const { cause } = driverAdapterError;
  // What Prisma has found out by a query of its own is said already.
  const { code, message } = error as Partial<KnownError>;
  const isSaid = cause.kind !== CONFLICT && code !== undefined && code !== RAW_FAILED;
  const said = isSaid ? ([code, lastOf(message ?? '')] as const) : sentenceOf(cause);
  const known = code === undefined ? await knownError(transaction) : (error as KnownError);
  const Known = known.constructor as new (message: string, options: object) => Error;
  const where = errorFormat === 'minimal' ? '' : `\nInvalid \`prisma.${clientMethod}()\` invocation:\n\n\n`;
  return new Known(where + said[1], {
    code: said[0],
    clientVersion: known.clientVersion,
    meta: { modelName, driverAdapterError },
  });
}

const RAW_FAILED = 'P2010';
const CONFLICT = 'TransactionWriteConflict';

/** Prisma's code and words for what a statement of ours, or a commit, may meet. */
function sentenceOf({ kind, constraint, originalCode, originalMessage }: DriverError['cause']) {
  switch (kind) {
    case CONFLICT:
      return [
        'P2034',
        'Transaction failed due to a write conflict or a deadlock. Please retry your transaction',
      ] as const;
    case 'UniqueConstraintViolation':
      return ['P2002', `Unique constraint failed on the ${nameOf(constraint)}`] as const;
    case 'ForeignKeyConstraintViolation':
    case 'RestrictViolation':
      return ['P2003', `Foreign key constraint violated on the ${nameOf(constraint)}`] as const;
    default:
      return ['P2039', `Database error. Code: \`${originalCode}\`. Message: \`${originalMessage}\``] as const;
  }
}

function nameOf(constraint: DriverError['cause']['constraint']): string {
  const { fields, index } = constraint ?? {};
  if (fields !== undefined) return `fields: (${fields.map((field) => `\`${field}\``).join(', ')})`;
  return index === undefined ? '(not available)' : `constraint: \`${index}\``;
}

function driverErrorOf(error: unknown): DriverError | null {
  const { meta, cause } = (error ?? {}) as Partial<KnownError & DriverError>;
  if (meta?.driverAdapterError !== undefined) return meta.driverAdapterError;
  return isOfDriver(error) && cause !== undefined ? (error as DriverError) : null;
}

/** An error of Prisma's own class: there is always one to be had of a transaction in which something has failed. */
async function knownError(transaction: TransactionClient): Promise<KnownError> {
  try {
    await transaction.$queryRawUnsafe('select 1');
  } catch (error) {
    return error as KnownError;
  }
  throw new RecorderError('UNRECORDED', 'A statement failed in a transaction that goes on all the same.');
}

/** What is said behind the place in the caller's code. */
function lastOf(message: string): string {
  const lines = message.split('\n');
  const place = lines.findLastIndex((line) => line.trim() === '' || line.startsWith('→'));
  return lines
    .slice(place + 1)
    .join('\n')
    .trim();
}

/** Thrown by an adapter, and not put into Prisma's words: by a commit. */
export function isOfDriver(error: unknown): boolean {
  return (error as Error | null)?.name === 'DriverAdapterError';
}

/** Transactions were in each other's way: the same may succeed if it is tried again. */
export function isConflict(error: unknown): boolean {
  return (error as Partial<KnownError> | null)?.code === 'P2034';
}

/** The transaction is over, or has failed before: no statement is run in it any more. */
export function isOver(error: unknown): boolean {
  const isClosed = (error as Partial<KnownError> | null)?.code === 'P2028';
  return isClosed || driverErrorOf(error)?.cause.originalCode === '25P02';
}

/** Refused by Prisma before anything was sent to the database. */
export function isValidationError(error: unknown): boolean {
  return (error as Error | null)?.name === 'PrismaClientValidationError';
}

/** What the operations of a model have in common, whether of one row or of many. */
import type { Run } from '../../outbox/statement.ts';
import { RecorderError } from '../errors.ts';
import { type Asked, isValidationError } from './caller-errors.ts';
import type { OwnWay } from './connection.ts';
import type { Args, QueryParams, TransactionClient } from './internals.ts';
import { type Model, referring } from './models.ts';
import { sets } from './nested.ts';
import type { Settings } from './settings.ts';
import type { Guard, Watch } from './watch.ts';

export const WRITES = [
  'create',
  'createMany',
  'createManyAndReturn',
  'update',
  'updateMany',
  'updateManyAndReturn',
  'upsert',
  'delete',
  'deleteMany',
] as const;
export type Write = (typeof WRITES)[number];

export interface Operation {
  readonly settings: Settings;
  readonly model: Model;
  readonly write: Write;
  readonly args: Args;
  readonly dataPath: readonly string[];
  /** Fields that the client leaves out of answers by itself. */
  readonly omitted: Readonly<Record<string, boolean>>;
  /** In which it all happens, without extensions. */
  readonly transaction: () => TransactionClient;
  /** The same past Prisma; null where that cannot be. */
  readonly connection: OwnWay | null;
  /** Whether the transaction is the operation's own: then it can be done again as a whole. */
  readonly isOwn: boolean;
  /** Outside of the transaction, where all stands as it was committed last. */
  readonly outside: Run;
  readonly asked: Asked;
  /** Runs it, in the transaction. */
  readonly query: (args: Args, params: Partial<QueryParams>) => Promise<unknown>;
}

/** An operation under way. */
export interface Step extends Operation {
  readonly run: Run;
  readonly guard: Guard;
  readonly watch: Watch;
}

/** Others were faster, and it is not known how a row was before. */
export class Raced extends RecorderError {
  constructor({ name }: Model) {
    super(
      'UNRECORDED',
      `Others wrote a row of ${name} at the same time, which could not be recorded: try again.`,
    );
  }
}

/**
 * Runs the operation with other arguments than the caller's. What is refused is refused in words that show the
 * arguments: they are to be the caller's own.
 */
export async function runAs(
  { args, query }: Step,
  changed: Args,
  params: Partial<QueryParams>,
): Promise<unknown> {
  try {
    return await query(changed, params);
  } catch (error) {
    if (changed !== args && isValidationError(error)) await query(args, {});
    throw error;
  }
}

/** Fields that the data sets and that others refer to. */
export function referredIn({ settings, model }: Step, data: unknown): Set<string> {
  const referred = referring(settings.models, model.name).flatMap(({ relation }) => relation.others);
  return new Set(referred.filter((name) => sets(data, [name])));
}

export function unrecorded(sentence: string): RecorderError {
  return new RecorderError('UNRECORDED', `${sentence}: it was refused, because it would not be recorded.`);
}

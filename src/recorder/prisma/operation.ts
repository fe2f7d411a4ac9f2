/**
 * The operations of a model, each done as its caller asked for and recorded in the same transaction:
 *
 *     read and lock what may change ──▶ the operation itself ──▶ read what became of it ──▶ write its events
 *
 * An update of one row by its key, with no relation touched, reads before and needs nothing after: the answer
 * tells the new values.
 */
import { type Run, runOn } from '../../outbox/statement.ts';
import { RecorderError } from '../errors.ts';
import type { OwnWay } from './connections.ts';
import { type History, historyOf } from './history.ts';
import {
  type Args,
  type Asked,
  asOfCaller,
  delegateOf,
  isConflict,
  isOver,
  isValidationError,
  type QueryParams,
  type TransactionClient,
} from './internals.ts';
import { type Model, type Row, referring } from './models.ts';
import { sets, type Tree, treeOf, unknownIn } from './nested.ts';
import { allRows, bearsLock, isRecord, rowsWith, type Statements, tooMany, uniqueIn } from './rows.ts';
import { widen } from './selection.ts';
import type { Settings } from './settings.ts';
import { type Entry, type Guard, nameOf, Watch } from './watch.ts';

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

/** Does what the caller asked for, and records it. @returns what the caller gets. */
export async function perform(operation: Operation): Promise<unknown> {
  const { settings, transaction, connection } = operation;
  const guard = guardOf(operation);
  const guarded =
    (run: Run): Run =>
    (text, values) =>
      guard(() => run(text, values));
  const byPrisma: Statements = {
    run: guarded((text, values) => runOn(transaction())(text, values)),
    forms: 'prisma',
  };
  const quickest: Statements =
    connection === null ? byPrisma : { run: guarded(runOn(connection.now)), forms: 'driver' };
  const watch = new Watch(settings, transaction, { byPrisma, quickest }, guard);
  const result = await PERFORM[operation.write]({ ...operation, run: quickest.run, guard, watch });
  const history = await historyOf(watch.entries, settings, transaction);
  try {
    await guard(() => write(history, operation));
  } catch (error) {
    throw asUnrecorded(error, operation.asked);
  }
  return result;
}

/** What the caller may try again, or has been told by the recorder, stays as it is. */
function asUnrecorded(error: unknown, { clientMethod }: Asked): unknown {
  const isKnown = error instanceof RecorderError || isConflict(error) || isOver(error);
  if (isKnown) return error;
  const why = error instanceof Error ? error.message.trim() : String(error);
  return new RecorderError(
    'UNRECORDED',
    `${clientMethod} was not done, because its events could not be written: ${why}`,
    { cause: error },
  );
}

function guardOf({ asked, args, query, transaction }: Operation): Guard {
  return async (run) => {
    try {
      return await run();
    } catch (error) {
      // The operation itself says so in its own words, and does nothing.
      if (isOver(error)) await query(args, {});
      throw await asOfCaller(error, asked, transaction());
    }
  };
}

interface Step extends Operation {
  readonly run: Run;
  readonly guard: Guard;
  readonly watch: Watch;
}

const PERFORM: Readonly<Record<Write, (step: Step) => Promise<unknown>>> = {
  create: one,
  update: one,
  upsert: one,
  delete: one,
  createMany,
  createManyAndReturn: createMany,
  updateMany,
  updateManyAndReturn: updateMany,
  deleteMany,
};

/** Writes the events below the scope that runs, or by themselves where none does. */
async function write({ events, resources }: History, { settings, ...operation }: Operation): Promise<void> {
  if (events.length === 0) return;
  const { recorder } = settings;
  const transaction = operation.connection?.later ?? operation.transaction();
  const scope = recorder.current();
  if (scope !== null) {
    await scope.recordIn(transaction, events, resources);
    return;
  }
  for (const [i, event] of events.entries()) {
    await recorder.record(event, { transaction, resources: i === 0 ? resources : [] });
  }
}

async function one(step: Step): Promise<unknown> {
  const { settings, model, write: kind, args, watch } = step;
  const { models } = settings;
  const updated = kind === 'update' ? args.data : kind === 'upsert' ? args.update : undefined;
  const created = kind === 'create' ? args.data : kind === 'upsert' ? args.create : undefined;
  const tree = treeOf(models, model, created, updated);
  const changing = referredIn(step, updated);
  const isDelete = kind === 'delete';
  const isWide = tree.size > 0 || changing.size > 0 || isDelete;

  const values = kind === 'create' ? null : uniqueIn(model, args.where);
  if (values !== null && !isWide && canOverlap(step)) return oneAtOnce(step, values);

  const before = kind === 'create' ? null : await find(step, values, isWide);
  const root = await watch.addRoot(model, before);
  const known = before === null ? [] : [root];
  await watch.prepare(model, known, tree);
  if (isDelete) await watch.addGoing(model, known);
  if (changing.size > 0) await watch.addFollowing(model, known, changing);

  const { result, row } = await runOne(step);
  const unknown = unknownIn(tree);
  if (unknown !== null) throw unrecorded(`${unknown} is a nested write that is not known here`);
  root.after = row;
  if (kind !== 'create' && before === null) await lookAgain(step, root, row, isWide);
  await watch.settle(model, [root], tree);
  return result;
}

/** Whether Prisma may be given the operation to get ready while the row is being read: nothing depends on that. */
function canOverlap({ settings, model, connection }: Step): boolean {
  return connection !== null && settings.plans.get(model.name)?.acl === null;
}

/** The row is read and locked first, because that is sent first. */
async function oneAtOnce(step: Step, values: Row): Promise<unknown> {
  const { model, watch } = step;
  const [found, done] = await Promise.allSettled([find(step, values, false), runOne(step)]);
  // The operation failed for no other reason than that.
  if (found.status === 'rejected') throw found.reason;
  if (done.status === 'rejected') throw done.reason;
  const { result, row } = done.value;
  const root = await watch.addRoot(model, found.value);
  root.after = row;
  if (found.value === null) await lookAgain(step, root, row, false);
  return result;
}

/** The row as it stands, locked; null where there is none. */
async function find({ model, args, watch }: Step, unique: Row | null, isWide: boolean): Promise<Row | null> {
  const values = unique ?? (await watch.keyOf(model, args.where));
  if (values === null) return null;
  const reading = watch.reading(model, isWide ? 'whole' : 'shared');
  const [row = null] = await rowsWith(reading, Object.keys(values), [values]);
  return row;
}

/**
 * A row was there after all: others have made it since it was looked for. Until this transaction ends, they see it
 * as it was before.
 *
 * @throws Raced where it all is to be done again, now that the row can be found.
 */
async function lookAgain(step: Step, root: Entry, row: Row | null, isWide: boolean): Promise<void> {
  const { model, write: kind, watch, run, outside, isOwn } = step;
  if (kind === 'upsert') {
    // With related rows, Prisma looks for the row first, and fails where another was faster.
    if (isWide || row === null || !(await bearsLock(run, model, row))) return;
  }
  if (isOwn || isWide || row === null) throw new Raced(model);
  const { fields } = watch.reading(model, 'none');
  const [old] = await rowsWith(
    { statements: { run: outside, forms: 'prisma' }, model, fields, lock: 'none', most: 1 },
    model.key,
    [row],
  );
  // Made by this transaction itself, with a lock of its own on it.
  if (old === undefined && kind === 'upsert') return;
  if (old === undefined) throw new Raced(model);
  root.before = old;
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

/** Runs the operation with the fields that are needed. @returns what the caller gets, and the row as it is now. */
async function runOne(step: Step): Promise<{ result: unknown; row: Row | null }> {
  const { model, args, dataPath, omitted, watch, write: kind } = step;
  const needs = kind !== 'delete';
  const needed = widen(model, needs ? [...watch.reading(model, 'none').fields] : [], args, omitted);
  // The whole answer, of which a caller that goes on to a relation gets a part.
  const answer = (await runAs(step, needed.args, { dataPath: [] })) as Row | null;
  if (answer === null) return { result: null, row: null };
  const row = needs ? await rowOf(step, answer, needed.isWhole) : null;
  return { result: along(needed.narrow(answer), dataPath), row };
}

async function rowOf({ model, watch }: Step, answer: Row, isWhole: boolean): Promise<Row> {
  const reading = watch.reading(model, 'none');
  if (isWhole) return Object.fromEntries([...reading.fields].map((name) => [name, answer[name]]));
  const [row] = await rowsWith(reading, model.key, [answer]);
  if (row === undefined) throw unrecorded(`A row of ${model.name} could not be read after it was written`);
  return row;
}

/** Prisma names every second part of a path by the way of selecting it. */
function along(answer: unknown, dataPath: readonly string[]): unknown {
  return dataPath
    .filter((_, i) => i % 2 === 1)
    .reduce<unknown>((held, name) => (held as Record<string, unknown> | null | undefined)?.[name], answer);
}

/**
 * Runs the operation with other arguments than the caller's. What is refused is refused in words that show the
 * arguments: they are to be the caller's own.
 */
async function runAs({ args, query }: Step, changed: Args, params: Partial<QueryParams>): Promise<unknown> {
  try {
    return await query(changed, params);
  } catch (error) {
    if (changed !== args && isValidationError(error)) await query(args, {});
    throw error;
  }
}

async function createMany(step: Step): Promise<unknown> {
  const { settings, model, args, watch, write: kind } = step;
  if (Array.isArray(args.data) && args.data.length > settings.maxRows) throw tooMany(model, settings.maxRows);
  const tree = treeOf(settings.models, model, args.data);
  const { result, rows } = await runMany(step, args, kind === 'createMany' ? 'createManyAndReturn' : null);
  for (const row of rows) (await watch.addRoot(model, null)).after = row;
  if (tree.size > 0) throw unrecorded('createMany with nested writes is not known here');
  return result;
}

async function updateMany(step: Step): Promise<unknown> {
  const { model, args, watch, write: kind } = step;
  const changing = referredIn(step, args.data);
  const before = await findMany(step, changing.size > 0);
  const roots: Entry[] = [];
  for (const row of before) roots.push(await watch.addRoot(model, row));
  await watch.addFollowing(model, roots, changing);
  const expected = roots.map((root) => nameOf(model, keyAfter(model, root.before as Row, args.data)));
  const { result, rows } = await runMany(
    step,
    { ...args, where: among(step, before) },
    kind === 'updateMany' ? 'updateManyAndReturn' : null,
  );
  const byName = new Map(rows.map((row) => [nameOf(model, row), row]));
  // One that no longer meets the condition, when it is its turn, is as it was.
  roots.forEach((root, i) => {
    root.after = byName.get(expected[i] as string) ?? root.before;
  });
  if (!rows.every((row) => expected.includes(nameOf(model, row)))) {
    throw unrecorded(`A row of ${model.name} could not be read before it was written`);
  }
  await watch.settle(model, roots, NO_TREE);
  return result;
}

async function deleteMany(step: Step): Promise<unknown> {
  const { model, args, watch } = step;
  const before = await findMany(step, true);
  const roots: Entry[] = [];
  for (const row of before) roots.push(await watch.addRoot(model, row));
  await watch.addGoing(model, roots);
  const result = (await runAs(step, { ...args, where: among(step, before) }, {})) as {
    readonly count: number;
  };
  if (result.count < before.length) {
    const left = await rowsWith(watch.reading(model, 'none'), model.key, before);
    const names = new Set(left.map((row) => nameOf(model, row)));
    for (const root of roots) if (names.has(nameOf(model, root.before as Row))) root.after = root.before;
  }
  await watch.settle(model, roots, NO_TREE);
  return result;
}

const NO_TREE: Tree = new Map();

/** Rows that meet the condition, locked: those that are written to will be among them. */
async function findMany(
  { settings, model, args, transaction, watch, guard }: Step,
  isWide: boolean,
): Promise<Row[]> {
  const reading = watch.reading(model, isWide ? 'whole' : 'shared');
  const { where, limit } = args;
  const isAll = where === undefined || (isRecord(where) && Object.keys(where).length === 0);
  if (isAll && limit === undefined) return allRows(reading);
  const select = Object.fromEntries(model.key.map((name) => [name, true]));
  const take = Math.min(settings.maxRows + 1, typeof limit === 'number' ? limit : Infinity);
  let keys: Row[];
  try {
    keys = await guard(
      () => delegateOf(transaction(), model.property).findMany({ where, select, take }) as Promise<Row[]>,
    );
  } catch (error) {
    // The operation is about to be refused, in words that fit it.
    if (isValidationError(error)) return [];
    throw error;
  }
  return rowsWith(reading, model.key, keys);
}

/** The caller's condition, and none but rows that were read. */
function among({ model, args }: Step, rows: readonly Row[]): object {
  const { key } = model;
  const [only = ''] = key;
  const keys =
    key.length === 1
      ? { [only]: { in: rows.map((row) => row[only]) } }
      : { OR: rows.map((row) => Object.fromEntries(key.map((name) => [name, row[name]]))) };
  return args.where === undefined ? keys : { AND: [args.where, keys] };
}

/** Runs an operation on many rows so that it answers them, and gives the caller the number where that was asked for. */
async function runMany(
  step: Step,
  changed: Args,
  instead: 'createManyAndReturn' | 'updateManyAndReturn' | null,
): Promise<{ result: unknown; rows: Row[] }> {
  const { model, omitted, watch } = step;
  const needed = widen(model, [...watch.reading(model, 'none').fields], changed, omitted);
  let answers: Row[] = [];
  const params: Partial<QueryParams> =
    instead === null
      ? {}
      : {
          action: instead,
          unpacker(answer: Row[]) {
            answers = answer;
            return { count: answer.length };
          },
        };
  const answered = await runAs(step, needed.args, params);
  if (instead === null) answers = answered as Row[];
  const rows = needed.isWhole ? answers : await rowsWith(watch.reading(model, 'none'), model.key, answers);
  return { result: instead === null ? answers.map(needed.narrow) : answered, rows: [...rows] };
}

/** Fields that the data sets and that others refer to. */
function referredIn({ settings, model }: Step, data: unknown): Set<string> {
  const referred = referring(settings.models, model.name).flatMap(({ relation }) => relation.others);
  return new Set(referred.filter((name) => sets(data, [name])));
}

/** @throws RecorderError BAD_INPUT where it cannot be known before. */
function keyAfter(model: Model, row: Row, data: unknown): Row {
  if (!isRecord(data) || !sets(data, model.key)) return row;
  const after = { ...row };
  for (const name of model.key) {
    const given = data[name];
    if (given === undefined) continue;
    const value = isRecord(given) ? given.set : given;
    if (value === undefined) {
      throw new RecorderError(
        'BAD_INPUT',
        `An update of many rows reckons their key ${name} anew, which could not be recorded: update them one by one.`,
      );
    }
    after[name] = value;
  }
  return after;
}

function unrecorded(sentence: string): RecorderError {
  return new RecorderError('UNRECORDED', `${sentence}: it was refused, because it would not be recorded.`);
}

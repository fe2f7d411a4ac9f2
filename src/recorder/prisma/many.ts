/** createMany, updateMany and deleteMany, and their kind: each row that is written to leaves its event. */
import { RecorderError } from '../errors.ts';
import { isValidationError } from './caller-errors.ts';
import { type Args, delegateOf, type QueryParams } from './internals.ts';
import type { Model, Row } from './models.ts';
import { sets, type Tree, treeOf } from './nested.ts';
import { allRows, rowsWith, tooMany } from './rows.ts';
import { widen } from './selection.ts';
import { Raced, referredIn, runAs, type Step, unrecorded } from './step.ts';
import { isOdd, Numeric } from './values.ts';
import { type Entry, nameOf } from './watch.ts';
import { isRecord } from './where.ts';

export async function createMany(step: Step): Promise<unknown> {
  const { settings, model, args, watch, write: kind } = step;
  if (Array.isArray(args.data) && args.data.length > settings.maxRows) throw tooMany(model, settings.maxRows);
  const tree = treeOf(settings.models, model, args.data);
  const { result, rows } = await runMany(step, args, kind === 'createMany' ? 'createManyAndReturn' : null);
  for (const row of rows) (await watch.addRoot(model, null)).after = row;
  if (tree.size > 0) throw unrecorded('createMany with nested writes is not known here');
  return result;
}

export async function updateMany(step: Step): Promise<unknown> {
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
  const known = new Set(expected);
  if (!rows.every((row) => known.has(nameOf(model, row)))) {
    throw new Raced(model);
  }
  await watch.settle(model, roots, NO_TREE);
  return result;
}

export async function deleteMany(step: Step): Promise<unknown> {
  const { model, args, watch } = step;
  const before = await findMany(step, true);
  const roots: Entry[] = [];
  for (const row of before) roots.push(await watch.addRoot(model, row));
  await watch.addGoing(model, roots);
  const result = (await runAs(step, { ...args, where: among(step, before) }, {})) as {
    readonly count: number;
  };
  if (result.count !== before.length) {
    const left = await rowsWith(watch.reading(model, 'none'), model.key, before);
    if (result.count !== before.length - left.length) throw new Raced(model);
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

/**
 * The caller's condition, and none but rows that were read. Of keys of several fields that would be an alternative
 * for each row, for which Prisma takes seconds; there, rows that have come between are let in, and are noticed when
 * they have been written to.
 */
function among({ model, args }: Step, rows: readonly Row[]): object {
  // A number of ours is none to Prisma.
  const plain = (value: unknown) => (value instanceof Numeric ? value.toFixed() : value);
  const keys = Object.fromEntries(
    model.key.map((name) => {
      const values = new Map(rows.map((row) => [String(row[name]), plain(row[name])]));
      return [name, { in: [...values.values()] }];
    }),
  );
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
  const reading = watch.reading(model, 'none');
  const isTold =
    needed.isWhole && !answers.some((answer) => [...reading.fields].some((name) => isOdd(answer[name])));
  const rows = isTold ? answers : await rowsWith(reading, model.key, answers);
  return { result: instead === null ? answers.map(needed.narrow) : answered, rows: [...rows] };
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

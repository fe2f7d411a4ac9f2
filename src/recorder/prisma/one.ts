/**
 * create, update, upsert and delete: of one row, and of what is related to it.
 *
 * An update by a key, with no relation touched, reads before and needs nothing after: the answer tells the new
 * values.
 */
import type { OwnWay } from './connection.ts';
import type { Row } from './models.ts';
import { treeOf, unknownIn } from './nested.ts';
import { bearsLock, oldRowOf, type Reading, rowsWith } from './rows.ts';
import { widen } from './selection.ts';
import { Raced, referredIn, runAs, type Step, unrecorded } from './step.ts';
import { isOdd } from './values.ts';
import type { Entry } from './watch.ts';
import { uniqueIn } from './where.ts';

export async function one(step: Step): Promise<unknown> {
  const { settings, model, write: kind, args, watch } = step;
  const { models } = settings;
  const updated = kind === 'update' ? args.data : kind === 'upsert' ? args.update : undefined;
  const created = kind === 'create' ? args.data : kind === 'upsert' ? args.create : undefined;
  const tree = treeOf(models, model, created, updated);
  const changing = referredIn(step, updated);
  const isDelete = kind === 'delete';
  const isWide = tree.size > 0 || changing.size > 0 || isDelete;

  const values = kind === 'create' ? null : uniqueIn(model, args.where);
  const { connection } = step;
  if (values !== null && !isWide && connection !== null && canOverlap(step)) {
    return oneAtOnce(step, values, connection);
  }

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
function canOverlap({ settings, model }: Step): boolean {
  return settings.plans.get(model.name)?.acl === null;
}

/** The row is told by the operation itself, or read and locked first, because that is sent first. */
async function oneAtOnce(step: Step, values: Row, connection: OwnWay): Promise<unknown> {
  const { model, watch } = step;
  const read = () => find(step, values, false);
  const old = oldRowOf(watch.reading(model, 'shared'), read);
  const [found, done] =
    old === null
      ? await Promise.allSettled([read(), runOne(step)])
      : await connection.changing(old, () => runOne(step));
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
 * @throws Raced where it all is to be done again, now that the row can be found; and where no other connection is to
 * be had: all may be held by transactions that wait for one.
 */
async function lookAgain(step: Step, root: Entry, row: Row | null, isWide: boolean): Promise<void> {
  const { model, write: kind, watch, run, outside, isOwn } = step;
  if (kind === 'upsert') {
    // With related rows, Prisma looks for the row first, and fails where another was faster.
    if (isWide || row === null || !(await bearsLock(run, model, row))) return;
  }
  if (isOwn || isWide || row === null) throw new Raced(model);
  const { fields } = watch.reading(model, 'none');
  const reading: Reading = {
    statements: { run: outside, forms: 'prisma' },
    model,
    fields,
    lock: 'none',
    most: 1,
  };
  const [old] = await within(OUTSIDE_WAIT_MS, rowsWith(reading, model.key, [row]), new Raced(model));
  // Made by this transaction itself, with a lock of its own on it.
  if (old === undefined && kind === 'upsert') return;
  if (old === undefined) throw new Raced(model);
  root.before = old;
}

const OUTSIDE_WAIT_MS = 1_000;

async function within<T>(waitMs: number, answering: Promise<T>, refusal: Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(reject, waitMs, refusal);
  });
  try {
    return await Promise.race([answering, late]);
  } finally {
    clearTimeout(timer);
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
  if (isWhole) {
    const row = Object.fromEntries([...reading.fields].map((name) => [name, answer[name]]));
    if (!Object.values(row).some(isOdd)) return row;
  }
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

/**
 * Which related rows an operation may write to, read from its `data`: `accounts: { create: …, deleteMany: … }`.
 * Says rather too much than too little: a row that was looked at and did not change leaves no event.
 */
import { RecorderError } from '../errors.ts';
import { type Model, type Models, modelNamed, type Relation, type Row } from './models.ts';
import { isRecord, uniqueIn } from './where.ts';

/** What is done by way of one relation. */
export interface Branch {
  readonly relation: Relation;
  /** Rows are made, which nobody can know before. */
  creates: boolean;
  /** Rows that are related already are changed, let go or removed. */
  changes: boolean;
  removes: boolean;
  /** A form of writing that is not known here. */
  unknown: string | null;
  /** Rows that are named, wherever they belong so far. */
  readonly named: Named[];
  readonly below: Map<string, Branch>;
}

export type Tree = ReadonlyMap<string, Branch>;

/** A row by its unique values, or by a condition that takes Prisma to find it. */
export type Named = { readonly values: Row } | { readonly where: unknown };

/** @throws RecorderError BAD_INPUT for what could not be recorded truthfully. */
export function treeOf(models: Models, model: Model, ...data: readonly unknown[]): Tree {
  const tree = new Map<string, Branch>();
  for (const each of data) addTo(tree, models, model, each);
  return tree;
}

function addTo(tree: Map<string, Branch>, models: Models, model: Model, data: unknown): void {
  for (const item of listOf(data)) {
    if (!isRecord(item)) continue;
    for (const [name, write] of Object.entries(item)) {
      const relation = model.relations.get(name);
      if (relation === undefined || !isRecord(write)) continue;
      const branch: Branch = tree.get(name) ?? {
        relation,
        creates: false,
        changes: false,
        removes: false,
        unknown: null,
        named: [],
        below: new Map(),
      };
      tree.set(name, branch);
      addWrites(branch, models, write);
    }
  }
}

function addWrites(branch: Branch, models: Models, write: Record<string, unknown>): void {
  const { relation } = branch;
  const to = modelNamed(models, relation.to);
  const name = (wheres: readonly unknown[]) => branch.named.push(...wheres.map((where) => named(to, where)));
  const below = (...data: readonly unknown[]) => {
    for (const each of data) addTo(branch.below, models, to, each);
  };
  const made: string[] = [];

  for (const [how, given] of Object.entries(write)) {
    if (given === undefined) continue;
    const items = listOf(given);
    const parts = items.map((item) => (isRecord(item) ? item : {}));
    switch (how) {
      case 'create':
        branch.creates = true;
        below(...items);
        break;
      case 'createMany':
        branch.creates = true;
        break;
      case 'connectOrCreate':
        branch.creates = true;
        name(parts.map(({ where }) => where));
        below(...parts.map(({ create }) => create));
        break;
      case 'connect':
        name(items);
        break;
      case 'set':
        branch.changes = true;
        name(items);
        break;
      case 'disconnect':
        branch.changes = true;
        // May let go what has just been made, which is found by what it is named by.
        if (relation.list) name(items);
        break;
      case 'update':
        branch.changes = true;
        // With and without a `where`: a field of the name `data` is looked into once too often.
        below(...items, ...parts.map(({ data }) => data));
        for (const { data } of parts) refuseKeys(to, data);
        if (!relation.list) for (const part of parts) refuseKeys(to, part);
        break;
      case 'updateMany':
        branch.changes = true;
        for (const { data } of parts) refuseKeys(to, data);
        break;
      case 'upsert':
        branch.creates = true;
        branch.changes = true;
        below(...parts.flatMap(({ create, update }) => [create, update]));
        for (const { update } of parts) refuseKeys(to, update);
        break;
      case 'delete':
      case 'deleteMany':
        branch.changes = true;
        branch.removes = true;
        break;
      default:
        branch.unknown = `${relation.name}.${how}`;
    }
    // Prisma does them in this order. What was made and then let go could not be found again.
    if (MAKING.has(how)) made.push(how);
    const letsGo = how === 'set' || (how === 'disconnect' && !relation.list);
    if (letsGo && made.length > 0) {
      throw new RecorderError(
        'BAD_INPUT',
        `${relation.name}: ${how} stands behind ${made[0]}, and would let go what that makes: write ${how} first.`,
      );
    }
  }
}

const MAKING: ReadonlySet<string> = new Set(['create', 'createMany', 'connectOrCreate', 'upsert']);

function named(model: Model, where: unknown): Named {
  const values = uniqueIn(model, where);
  return values === null ? { where } : { values };
}

/** A form of writing in it that is not known here; null where all are. */
export function unknownIn(tree: Tree): string | null {
  for (const { unknown, below } of tree.values()) {
    const found = unknown ?? unknownIn(below);
    if (found !== null) return found;
  }
  return null;
}

/** Whether the data sets one of the fields. */
export function sets(data: unknown, names: Iterable<string>): boolean {
  if (!isRecord(data)) return false;
  for (const name of names) if (data[name] !== undefined) return true;
  return false;
}

/** Names of all that the data sets in rows that are there, of whatever model; rather too many than too few. */
export function* givenIn(data: unknown): Generator<string> {
  for (const item of listOf(data)) {
    if (!isRecord(item)) continue;
    for (const [name, value] of Object.entries(item)) {
      if (value === undefined || name === 'create' || name === 'where') continue;
      yield name;
      yield* givenIn(value);
    }
  }
}

/** Whether data writes to other rows: by a relation, or by a value that others refer to. */
export function isTouched(
  model: Model,
  refers: readonly { readonly relation: Relation }[],
  data: unknown,
): boolean {
  return listOf(data).some(
    (item) =>
      sets(item, model.relations.keys()) ||
      sets(
        item,
        refers.flatMap(({ relation }) => relation.others),
      ),
  );
}

/** Before and after are told to be the same row by its key. */
function refuseKeys(model: Model, data: unknown): void {
  if (!sets(data, model.key)) return;
  throw new RecorderError(
    'BAD_INPUT',
    `A nested write changes the key of ${model.name}, which could not be recorded: update it by itself.`,
  );
}

function listOf(given: unknown): readonly unknown[] {
  return Array.isArray(given) ? given : [given];
}

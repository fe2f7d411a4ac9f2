/**
 * Rows that an operation may write to, as they stand before it and after it:
 *
 *     prepare   before: lock and read what is related, named, or goes with what is removed
 *     (the operation)
 *     settle    after: read the same rows again, and look for those that were made
 *
 * What is in both and differs was changed, what is gone was removed, what is new was made. A row that was read and
 * is the same leaves nothing, so that reading too much is no fault, and reading too little is.
 */
import type { AclLists } from '../../outbox/parcel.ts';
import { isValidationError } from './caller-errors.ts';
import { delegateOf, type TransactionClient } from './internals.ts';
import { type Model, modelNamed, type Relation, type Row, referring } from './models.ts';
import type { Branch, Named, Tree } from './nested.ts';
import { type Lock, type Reading, rowsRelated, rowsWith, type Statements, tooMany } from './rows.ts';
import { defaultRef, kebab, reachesRecorded, type Settings } from './settings.ts';

/** A row of which it is to be seen what becomes. */
export interface Entry {
  readonly model: Model;
  /** Null for one that was made. */
  before: Row | null;
  /** Null for one that is gone. */
  after: Row | null;
  readonly aclBefore: AclLists | null;
  /** What it is linked to by tables that are no model, by the relation's name. */
  readonly links: Map<string, Links>;
  /** Whose key it takes over, by a foreign key. */
  follows: { readonly entry: Entry; readonly relation: Relation } | null;
}

interface Links {
  readonly before: readonly string[];
  after: readonly string[];
}

/** Runs what is ours, and lets it fail as the caller's own operation would. */
export type Guard = <T>(run: () => Promise<T>) => Promise<T>;

export interface Ways {
  readonly byPrisma: Statements;
  /** Past Prisma where that can be. */
  readonly quickest: Statements;
}

export class Watch {
  readonly entries: Entry[] = [];
  private readonly known = new Map<string, Entry | null>();
  private readonly groups: Entry[][] = [];
  private readonly settings: Settings;
  private readonly transaction: () => TransactionClient;
  private readonly ways: Ways;
  private readonly guard: Guard;

  constructor(settings: Settings, transaction: () => TransactionClient, ways: Ways, guard: Guard) {
    this.settings = settings;
    this.transaction = transaction;
    this.ways = ways;
    this.guard = guard;
  }

  reading(model: Model, lock: Lock): Reading {
    const { reads, maxRows, shown } = this.settings;
    return {
      // Functions of the application are shown rows in Prisma's own classes.
      statements: shown.has(model.name) ? this.ways.byPrisma : this.ways.quickest,
      model,
      fields: reads.get(model.name) ?? model.key,
      lock,
      most: maxRows,
    };
  }

  /** A row that the operation itself is about, locked already. */
  async addRoot(model: Model, before: Row | null): Promise<Entry> {
    const entry = await this.enter(model, before);
    if (before !== null) this.known.set(nameOf(model, before), entry);
    return entry;
  }

  /** Before the operation: what it may write to by relations of these rows. */
  async prepare(model: Model, entries: readonly Entry[], tree: Tree): Promise<void> {
    for (const branch of tree.values()) {
      const { relation } = branch;
      const to = modelNamed(this.settings.models, relation.to);
      if (typeof relation.through === 'object') await this.readLinks(model, entries, relation, to, 'before');
      const mayHaveHolders = relation.through === 'here' && relation.backToOne;
      const isHolder = mayHaveHolders && this.settings.plans.has(model.name);
      if (!isHolder && !this.reaches(to, branch)) continue;
      const related = await this.related(model, entries, branch, to);
      const named = await this.add(to, await this.rowsNamed(to, branch.named), null, true);
      if (mayHaveHolders) await this.addHolders(model, relation, named);
      if (branch.removes) await this.addGoing(to, related);
      await this.prepare(to, [...related, ...named], branch.below);
    }
  }

  /** Before rows are removed: what goes with them, or loses them, by foreign keys. */
  async addGoing(model: Model, entries: readonly Entry[]): Promise<void> {
    for (const { model: holder, relation } of referring(this.settings.models, model.name)) {
      const { onDelete } = relation;
      if (onDelete === 'Restrict' || onDelete === 'NoAction') continue;
      const isConcerned =
        onDelete === 'Cascade'
          ? reachesRecorded(this.settings, holder, 'onDelete')
          : this.settings.plans.has(holder.name);
      if (!isConcerned) continue;
      const lock = onDelete === 'Cascade' ? 'whole' : 'shared';
      const fresh = await this.add(holder, await this.holding(holder, relation, entries, lock));
      if (onDelete === 'Cascade') await this.addGoing(holder, fresh);
    }
  }

  /** Before values change that others refer to: who refers to them. */
  async addFollowing(model: Model, entries: readonly Entry[], changing: ReadonlySet<string>): Promise<void> {
    for (const { model: holder, relation } of referring(this.settings.models, model.name)) {
      const { own, others, onUpdate } = relation;
      if (
        !others.some((other) => changing.has(other)) ||
        onUpdate === 'Restrict' ||
        onUpdate === 'NoAction' ||
        !reachesRecorded(this.settings, holder, 'onUpdate')
      ) {
        continue;
      }
      for (const entry of entries) {
        const rows = await this.holding(holder, relation, [entry], 'whole');
        const fresh = await this.add(holder, rows, { entry, relation });
        await this.addFollowing(holder, fresh, new Set(own));
      }
    }
  }

  /** After the operation, which has said what became of the roots. */
  async settle(model: Model, roots: readonly Entry[], tree: Tree): Promise<void> {
    for (const group of this.groups) await this.readAgain(group);
    await this.find(model, roots, tree);
  }

  private async readAgain(group: readonly Entry[]): Promise<void> {
    const [{ model } = {}] = group;
    if (model === undefined) return;
    const keys = group.map(keyAfter);
    const rows = await rowsWith(this.reading(model, 'none'), model.key, keys);
    const byName = new Map(rows.map((row) => [nameOf(model, row), row]));
    group.forEach((entry, i) => {
      const name = nameOf(model, keys[i] as Row);
      entry.after = byName.get(name) ?? null;
      this.known.set(name, entry);
    });
  }

  /** Rows that were made, by way of what they were made to belong to. */
  private async find(model: Model, entries: readonly Entry[], tree: Tree): Promise<void> {
    const there = entries.filter(({ after }) => after !== null);
    for (const branch of tree.values()) {
      const { relation, creates, named, below } = branch;
      const to = modelNamed(this.settings.models, relation.to);
      if (typeof relation.through === 'object') await this.readLinks(model, there, relation, to, 'after');
      if ((!creates && below.size === 0) || !this.reaches(to, branch)) continue;
      const afters = there.map(({ after }) => after as Row);
      const reading = this.reading(to, 'none');
      const rows = await rowsRelated(reading, model, relation, afters);
      // Made and let go at once: it belongs to nothing, but was named.
      if (creates) rows.push(...(await this.rowsNamed(to, named, 'none')));
      const found: Entry[] = [];
      for (const row of rows) {
        const name = nameOf(to, row);
        let entry = this.known.get(name);
        if (entry === undefined) {
          entry = await this.enter(to, null);
          entry.after = row;
          this.known.set(name, entry);
        }
        found.push(entry ?? { ...UNTOUCHED, model: to, before: row, after: row, links: new Map() });
      }
      await this.find(to, found, below);
    }
  }

  /** Whether rows of a model, or what is written by way of them, may be recorded. */
  private reaches(model: Model, { removes, below }: Branch): boolean {
    const { models, plans } = this.settings;
    return (
      plans.has(model.name) ||
      (removes && reachesRecorded(this.settings, model, 'onDelete')) ||
      [...below.values()].some(
        (branch) =>
          typeof branch.relation.through === 'object' ||
          this.reaches(modelNamed(models, branch.relation.to), branch),
      )
    );
  }

  private async related(
    model: Model,
    entries: readonly Entry[],
    branch: Branch,
    to: Model,
  ): Promise<Entry[]> {
    const { relation, creates, changes, removes } = branch;
    const before = entries.map((entry) => entry.before).filter((row) => row !== null);
    if (changes || !relation.list) {
      const reading = this.reading(to, removes ? 'whole' : branch.below.size > 0 ? 'whole' : 'shared');
      const rows = await rowsRelated(reading, model, relation, before);
      return this.add(to, rows, null, true);
    }
    // What is there already will not be written to; it must not be taken for new.
    if (creates) {
      const rows = await rowsRelated(
        { ...this.reading(to, 'none'), fields: to.key },
        model,
        relation,
        before,
      );
      for (const row of rows) {
        const name = nameOf(to, row);
        if (!this.known.has(name)) this.known.set(name, null);
      }
      this.checkSize(to);
    }
    return [];
  }

  /** Of one to one: who holds what is about to belong to another. */
  private async addHolders(model: Model, relation: Relation, named: readonly Entry[]): Promise<void> {
    await this.add(model, await this.holding(model, relation, named, 'shared'));
  }

  private holding(
    holder: Model,
    { own, others }: Relation,
    entries: readonly Entry[],
    lock: Lock,
  ): Promise<Row[]> {
    const tuples = entries.map(({ before }) =>
      Object.fromEntries(own.map((name, i) => [name, before?.[others[i] as string]])),
    );
    return rowsWith(this.reading(holder, lock), own, tuples);
  }

  private async rowsNamed(model: Model, named: readonly Named[], lock: Lock = 'whole'): Promise<Row[]> {
    const rows: Row[] = [];
    const reading = this.reading(model, lock);
    for (const each of named) {
      if ('values' in each) {
        rows.push(...(await rowsWith(reading, Object.keys(each.values), [each.values])));
        continue;
      }
      const key = await this.keyOf(model, each.where);
      if (key !== null) rows.push(...(await rowsWith(reading, model.key, [key])));
    }
    return rows;
  }

  /** By Prisma itself, which knows every form of a condition. */
  async keyOf(model: Model, where: unknown): Promise<Row | null> {
    const select = Object.fromEntries(model.key.map((name) => [name, true]));
    try {
      const { findUnique } = delegateOf(this.transaction(), model.property);
      return await this.guard(() => findUnique({ where, select }) as Promise<Row | null>);
    } catch (error) {
      // The operation will be refused for the same reason, in words that fit it.
      if (isValidationError(error)) return null;
      throw error;
    }
  }

  /** @returns those that are new here; with `all`, those that are not as well. */
  private async add(
    model: Model,
    rows: readonly Row[],
    follows: Entry['follows'] = null,
    all = false,
  ): Promise<Entry[]> {
    const added: Entry[] = [];
    const there: Entry[] = [];
    for (const row of rows) {
      const name = nameOf(model, row);
      const known = this.known.get(name);
      if (known != null) {
        known.follows ??= follows;
        there.push(known);
        continue;
      }
      const entry = await this.enter(model, row);
      entry.follows = follows;
      this.known.set(name, entry);
      added.push(entry);
    }
    if (added.length > 0) this.groups.push(added);
    this.checkSize(model);
    return all ? [...there, ...added] : added;
  }

  private async enter(model: Model, before: Row | null): Promise<Entry> {
    const acl = this.settings.plans.get(model.name)?.acl;
    const aclBefore = before !== null && acl != null ? await acl(before, this.transaction()) : null;
    const entry: Entry = { ...UNTOUCHED, model, before, aclBefore, links: new Map() };
    this.entries.push(entry);
    return entry;
  }

  private checkSize(model: Model): void {
    if (this.known.size > this.settings.maxRows + 1) throw tooMany(model, this.settings.maxRows);
  }

  private async readLinks(
    model: Model,
    entries: readonly Entry[],
    relation: Relation,
    to: Model,
    when: 'before' | 'after',
  ): Promise<void> {
    if (!this.settings.plans.has(model.name)) return;
    const plan = this.settings.plans.get(to.name);
    for (const entry of entries) {
      const row = entry[when];
      const rows = row === null ? [] : await rowsRelated(this.reading(to, 'none'), model, relation, [row]);
      const refs = rows.map((each) => plan?.resource(each) ?? defaultRef(kebab(to.name), to, each));
      const links = entry.links.get(relation.name);
      if (links === undefined)
        entry.links.set(relation.name, { before: when === 'before' ? refs : [], after: refs });
      else links.after = refs;
    }
  }
}

const UNTOUCHED = { after: null, aclBefore: null, follows: null } as const;

/** What the key of a watched row is after the operation: it may have followed another row's. */
function keyAfter({ model, before, follows }: Entry): Row {
  const key = Object.fromEntries(model.key.map((name) => [name, before?.[name]]));
  const { own = [], others = [] } = follows?.relation ?? {};
  own.forEach((name, i) => {
    const followed = follows?.entry.after?.[others[i] as string];
    if (name in key && followed !== undefined) key[name] = followed;
  });
  return key;
}

/** What a row is known by, in one text. */
export function nameOf(model: Model, row: Row): string {
  return JSON.stringify([model.name, ...model.key.map((name) => textOf(row[name]))]);
}

function textOf(value: unknown): string {
  if (value instanceof Date) return value.toISOString();
  if (ArrayBuffer.isView(value))
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex');
  return String(value);
}

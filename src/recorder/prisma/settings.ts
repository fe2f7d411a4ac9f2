/** Which models and fields are recorded, and how: what an application configures, checked against its schema. */
import { createHash } from 'node:crypto';
import type { AclLists } from '../../outbox/parcel.ts';
import type { Queryable } from '../../outbox/statement.ts';
import { RecorderError } from '../errors.ts';
import type { Recorder } from '../recorder.ts';
import { secretNames } from '../secret-names.ts';
import { type Model, type Models, modelNamed, type Row, referring } from './models.ts';

export interface EventreeOptions {
  /** One with an outbox in the application's database: events are written in its transactions. */
  readonly recorder: Recorder;
  /** By the model's name. Left out: all. Otherwise those that are named here, and are not false. */
  readonly models?: Readonly<Record<string, ModelOptions | boolean>>;
  /** How many rows one operation may concern before it is refused; 10,000. */
  readonly maxRows?: number;
}

export interface ModelOptions {
  /** Of resources; the model's name, as `bank-account`. */
  readonly type?: string;
  /**
   * Whole reference of the row's resource, as `account/7`. Left out: the type, and the key's values; so it is needed
   * where those are secret or private.
   */
  readonly resource?: (row: Row) => string;
  /** Of the resource. */
  readonly name?: (row: Row) => string | null;
  /** Fields that are recorded; all of them, or all but some. Relations of many to many without a model of their own are fields too. */
  readonly fields?: readonly string[] | { readonly except: readonly string[] };
  /** Fields whose values owners of the resource see, and nobody else. */
  readonly private?: readonly string[];
  /** Fields whose values are not recorded at all, only that they changed. Those named like secrets are besides. */
  readonly secret?: readonly string[];
  /**
   * Who has which rights on the resource. Asked when a row is created, before and after it is changed, and before it
   * is deleted; the transaction is the application's, and what is written by it is not recorded.
   */
  readonly acl?: (row: Row, transaction: Queryable) => AclLists | Promise<AclLists>;
}

/** How rows of a model are recorded. */
export interface Plan {
  readonly fields: ReadonlySet<string>;
  /** Relations by a table that is no model: what a row is linked to is recorded as if it were a field. */
  readonly links: ReadonlySet<string>;
  readonly private: ReadonlySet<string>;
  readonly secret: ReadonlySet<string>;
  readonly name: ((row: Row) => string | null) | null;
  readonly acl: ((row: Row, transaction: Queryable) => AclLists | Promise<AclLists>) | null;
  /** @throws RecorderError BAD_INPUT */
  resource(row: Row): string;
}

export interface Settings {
  readonly recorder: Recorder;
  readonly models: Models;
  readonly plans: ReadonlyMap<string, Plan>;
  /** Models whose rows are shown to functions of the application. */
  readonly shown: ReadonlySet<string>;
  /** Fields to read of each model: recorded ones, keys, and what relations go by. */
  readonly reads: ReadonlyMap<string, readonly string[]>;
  readonly maxRows: number;
}

const MAX_ROWS = 10_000;

/** @throws RecorderError BAD_INPUT */
export function readSettings(
  { recorder, models: given, maxRows = MAX_ROWS }: EventreeOptions,
  models: Models,
): Settings {
  for (const name of Object.keys(given ?? {})) {
    if (!models.has(name)) throw bad(`There is no model ${name}.`);
  }
  const plans = new Map<string, Plan>();
  const reads = new Map<string, string[]>();
  const shown = new Set<string>();
  for (const model of models.values()) {
    const options = given === undefined ? true : given[model.name];
    const isRecorded = options !== undefined && options !== false;
    const plan = isRecorded ? planOf(model, options === true ? {} : options) : null;
    if (plan !== null) plans.set(model.name, plan);
    const isFree =
      isRecorded && options !== true && (options.resource ?? options.name ?? options.acl) !== undefined;
    if (isFree) shown.add(model.name);
    const linking = [
      ...model.key,
      ...[...model.relations.values()].flatMap(({ own }) => own),
      ...referring(models, model.name).flatMap(({ relation }) => relation.others),
    ];
    // A function may look at any field.
    const read = isFree ? model.fields.keys() : [...(plan?.fields ?? []), ...linking];
    reads.set(model.name, [...new Set(read)]);
  }
  for (const [name, plan] of plans) checkLinks(modelNamed(models, name), plan, { models, plans });
  return { recorder, models, plans, shown, reads, maxRows };
}

/** Whether rows that are recorded go with a model's, or change with them, by foreign keys; or its own are recorded. */
export function reachesRecorded(
  { models, plans }: Pick<Settings, 'models' | 'plans'>,
  start: Model,
  when: 'onDelete' | 'onUpdate',
): boolean {
  const seen = new Set([start]);
  for (const model of seen) {
    if (plans.has(model.name)) return true;
    for (const { model: holder, relation } of referring(models, model.name)) {
      const action = relation[when];
      if (action === 'Restrict' || action === 'NoAction') continue;
      // The others stay, and only lose the reference.
      if (action === 'Cascade') seen.add(holder);
      else if (plans.has(holder.name)) return true;
    }
  }
  return false;
}

function planOf(model: Model, options: ModelOptions): Plan {
  const { type = kebab(model.name), resource = null, name = null, acl = null } = options;
  if (model.key.length === 0)
    throw bad(`${model.name} has nothing that its rows are known by: leave it out.`);
  if (!TYPE.test(type)) throw bad(`${type} is no type of resources: ${model.name} needs another.`);
  const links = [...model.relations.values()].filter(({ through }) => typeof through === 'object');
  const all = [...model.fields.keys(), ...links.map((relation) => relation.name)];
  const check = (names: readonly string[] = []) => {
    for (const field of names) if (!all.includes(field)) throw bad(`${model.name} has no field ${field}.`);
    return new Set(names);
  };
  const { fields } = options;
  const isList = (value: unknown): value is readonly string[] => Array.isArray(value);
  const except = fields === undefined || isList(fields) ? new Set<string>() : check(fields.except);
  const chosen = isList(fields) ? check(fields) : new Set(all.filter((field) => !except.has(field)));
  const [hidden, secret] = [check(options.private), check(options.secret)];
  // A reference stands in the clear: as resource, in messages and links, and in what others ask for.
  const shown = model.key.find((field) => isSecret(field) || secret.has(field) || hidden.has(field));
  if (resource === null && shown !== undefined) {
    const what = hidden.has(shown) ? 'private' : 'secret';
    throw bad(
      `${model.name} is known by ${shown}, which is ${what} and would stand in its references: give \`resource\` for ${model.name}, by something else.`,
    );
  }
  return {
    fields: new Set([...chosen].filter((field) => model.fields.has(field))),
    links: new Set([...chosen].filter((field) => !model.fields.has(field))),
    private: hidden,
    secret,
    name,
    acl,
    resource: (row) => (resource === null ? defaultRef(type, model, row) : checkedRef(resource(row), model)),
  };
}

/** What a row is linked to is told by references, also to rows of which nothing else is recorded. */
function checkLinks(model: Model, plan: Plan, { models, plans }: Pick<Settings, 'models' | 'plans'>): void {
  for (const link of plan.links) {
    const to = model.relations.get(link)?.to as string;
    if (plans.has(to) || plan.secret.has(link) || isSecret(link)) continue;
    const shown = modelNamed(models, to).key.find(isSecret);
    if (shown === undefined) continue;
    throw bad(
      `${model.name}.${link} leads to ${to}, which is known by ${shown}, a secret: record ${to} with a \`resource\`, or leave ${link} out of the fields.`,
    );
  }
}

/** By its name. Names of the recorder's own are not known here. */
const isSecret = secretNames([]);

const TYPE = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/;
const REFERENCE = /^[A-Za-z][A-Za-z0-9_.-]{0,63}\/(?!\s)[^\p{Cc}]+(?<!\s)$/u;
const MAX_REFERENCE_CHARS = 500;
const MAX_ID_CHARS = 400;

function checkedRef(reference: unknown, model: Model): string {
  const isGood =
    typeof reference === 'string' && reference.length <= MAX_REFERENCE_CHARS && REFERENCE.test(reference);
  if (isGood) return reference;
  throw bad(`${String(reference)} is no reference to a resource of ${model.name}: it is written type/id.`);
}

/** `seat/4/12`. What a reference cannot hold is encoded as in a URL, and what is too long is shortened. */
export function defaultRef(type: string, model: Model, row: Row): string {
  const id = model.key.map((name) => textOf(row[name])).join('/');
  const reference = `${type}/${id}`;
  if (id.length <= MAX_ID_CHARS && id.isWellFormed() && REFERENCE.test(reference)) return reference;
  const hash = createHash('sha256').update(id).digest('hex');
  const encoded = encodeURIComponent(id.toWellFormed());
  if (encoded !== '' && encoded.length <= MAX_ID_CHARS && id.isWellFormed()) return `${type}/${encoded}`;
  return `${type}/${encoded.slice(0, MAX_ID_CHARS - hash.length)}${hash}`;
}

/** A day is written without the time that Prisma gives it. */
function textOf(value: unknown): string {
  if (value instanceof Date) return value.toISOString().replace(/T00:00:00\.000Z$/, '');
  if (ArrayBuffer.isView(value)) {
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex');
  }
  return String(value);
}

/** `BankAccount` → `bank-account` */
export function kebab(name: string): string {
  return name
    .replace(/(\p{Ll}|\d)(?=\p{Lu})/gu, '$1-')
    .replace(/(\p{Lu})(?=\p{Lu}\p{Ll})/gu, '$1-')
    .toLowerCase();
}

function bad(sentence: string): RecorderError {
  return new RecorderError('BAD_INPUT', sentence);
}

/**
 * The application's data model as recording needs it: which columns a model's fields stand in, what its rows are
 * known by, and what hangs on what.
 */
import { RecorderError } from '../errors.ts';
import type { RuntimeModels } from './internals.ts';
import { type Block, blocksOf, type Line, namesIn, stringIn, wordIn } from './schema-text.ts';

/** A row by its fields, in the types that Prisma has for them. */
export type Row = Readonly<Record<string, unknown>>;

export interface Model {
  readonly name: string;
  /** As it is called on the client: `BankAccount` → `bankAccount`. */
  readonly property: string;
  /** Quoted, with its schema: where Prisma writes to, whatever the search path is. */
  readonly table: string;
  readonly fields: ReadonlyMap<string, Field>;
  readonly relations: ReadonlyMap<string, Relation>;
  /** Fields that a row is known by; empty where there are none. */
  readonly key: readonly string[];
  /** Sets of fields of which each is different in every row; the key is one of them. */
  readonly uniques: readonly (readonly string[])[];
}

export interface Field {
  readonly name: string;
  /** Quoted; as it stands: `columnName`. */
  readonly column: string;
  readonly columnName: string;
  /** `Int`, `DateTime`, or the name of an enum. */
  readonly type: string;
  /** `@db.Uuid` → `Uuid`; null where Prisma chooses. */
  readonly native: string | null;
  readonly list: boolean;
  /** Set by Prisma on each update, whatever is changed. */
  readonly updatedAt: boolean;
  /** For an enum: what stands in the database, by the name that Prisma has for it. */
  readonly labels: ReadonlyMap<string, string> | null;
}

export type Action = 'Cascade' | 'SetNull' | 'SetDefault' | 'Restrict' | 'NoAction';

/** One side of a relation, with what the model on that side calls it. */
export interface Relation {
  readonly name: string;
  /** The model that it leads to. */
  readonly to: string;
  readonly list: boolean;
  /** Where the foreign key stands: on this side, on the other, or in a table of its own. */
  readonly through: 'here' | 'there' | JoinTable;
  /** Fields of this side that are equal to `others` of the other; empty with a table of its own. */
  readonly own: readonly string[];
  readonly others: readonly string[];
  /** Whether the other side has at most one of this. */
  readonly backToOne: boolean;
  /** What becomes of the side with the foreign key. */
  readonly onDelete: Action;
  readonly onUpdate: Action;
}

export interface JoinTable {
  /** Quoted. */
  readonly table: string;
  readonly own: '"A"' | '"B"';
  readonly other: '"A"' | '"B"';
}

export type Models = ReadonlyMap<string, Model>;

/**
 * @param schema text of the schema that the client was generated from.
 * @param runtime the client's own data model.
 * @param inSchema where tables are that name no schema: the adapter's, or what Prisma takes where that has none.
 * @throws RecorderError BAD_INPUT where the two do not say the same.
 */
export function readModels(schema: string, runtime: RuntimeModels, inSchema = 'public'): Models {
  const blocks = blocksOf(schema);
  const enums = new Map(
    blocks.filter(({ kind }) => kind === 'enum').map((block) => [block.name, labelsOf(block)]),
  );
  const bodies = new Map(
    blocks.filter(({ kind }) => kind === 'model').map((block) => [block.name, block.lines]),
  );
  const models = new Map<string, Model>();
  for (const [name, { dbName, schema: schemaName, fields }] of Object.entries(runtime.models)) {
    const lines = bodies.get(name);
    // A view is not written to.
    if (lines === undefined && blocks.some((block) => block.name === name)) continue;
    const byName = new Map((lines ?? []).map((line) => [line.name, line]));
    for (const field of fields) if (!byName.has(field.name)) throw unread(`${name}.${field.name}`);
    const scalars = fields.filter(({ kind }) => kind === 'scalar' || kind === 'enum');
    const uniques = uniquesOf(lines ?? []);
    models.set(name, {
      name,
      property: name.charAt(0).toLowerCase() + name.slice(1),
      table: qualified(schemaName ?? inSchema, dbName ?? name),
      fields: new Map(
        scalars.map((field) => {
          const line = byName.get(field.name) as Line;
          return [field.name, fieldOf(line, field.dbName ?? field.name, enums.get(field.type) ?? null)];
        }),
      ),
      relations: relationsOf(name, runtime, bodies, inSchema),
      key: uniques[0] ?? [],
      uniques,
    });
  }
  return models;
}

/** What refers to a model by a foreign key, and with which of its relations. */
export function referring(models: Models, to: string): readonly Referring[] {
  const known = REFERRING.get(models) ?? new Map<string, readonly Referring[]>();
  REFERRING.set(models, known);
  let found = known.get(to);
  if (found === undefined) {
    found = [...models.values()].flatMap((model) =>
      [...model.relations.values()]
        .filter((relation) => relation.to === to && relation.through === 'here')
        .map((relation) => ({ model, relation })),
    );
    known.set(to, found);
  }
  return found;
}

interface Referring {
  readonly model: Model;
  readonly relation: Relation;
}

/** Asked for with each operation, and always the same. */
const REFERRING = new WeakMap<Models, Map<string, readonly Referring[]>>();

/** @throws RecorderError BAD_INPUT */
export function modelNamed(models: Models, name: string): Model {
  const model = models.get(name);
  if (model === undefined) throw unread(name);
  return model;
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function qualified(schema: string, table: string): string {
  return `${quote(schema)}.${quote(table)}`;
}

function unread(what: string): RecorderError {
  return new RecorderError(
    'BAD_INPUT',
    `${what} was not found in the text of the Prisma schema: generate the client again, with Prisma 7.`,
  );
}

function fieldOf(line: Line, column: string, labels: ReadonlyMap<string, string> | null): Field {
  const native = [...line.attributes.keys()].find((attribute) => attribute.startsWith('@db.'));
  return {
    name: line.name,
    column: quote(column),
    columnName: column,
    type: line.type,
    native: native?.slice('@db.'.length) ?? null,
    list: line.list,
    updatedAt: line.attributes.has('@updatedAt'),
    labels,
  };
}

function labelsOf({ lines }: Block): Map<string, string> {
  const named = lines.filter(({ name }) => name !== '');
  return new Map(named.map(({ name, attributes }) => [name, stringIn(attributes.get('@map')) ?? name]));
}

/** The key comes first; one that may be null is none. */
function uniquesOf(lines: readonly Line[]): string[][] {
  const optional = new Set(lines.filter((line) => line.optional).map(({ name }) => name));
  const of = (single: string, several: string) => [
    ...lines.filter(({ attributes }) => attributes.has(single)).map(({ name }) => [name]),
    ...lines
      .filter(({ attributes }) => attributes.has(several))
      .map(({ attributes }) => namesIn(attributes.get(several))),
  ];
  const sure = of('@unique', '@@unique').filter((names) => !names.some((name) => optional.has(name)));
  const loose = of('@unique', '@@unique').filter((names) => names.some((name) => optional.has(name)));
  return [...of('@id', '@@id'), ...sure, ...(sure.length + of('@id', '@@id').length > 0 ? loose : [])];
}

function relationsOf(
  name: string,
  { models }: RuntimeModels,
  bodies: ReadonlyMap<string, readonly Line[]>,
  inSchema: string,
): Map<string, Relation> {
  const relations = new Map<string, Relation>();
  for (const field of models[name]?.fields ?? []) {
    if (field.kind !== 'object' || field.relationName == null) continue;
    const line = (bodies.get(name) ?? []).find((each) => each.name === field.name) as Line;
    const [back] = (models[field.type]?.fields ?? []).filter(
      (other) =>
        other.relationName === field.relationName &&
        other.type === name &&
        !(field.type === name && other.name === field.name),
    );
    const backLine = (bodies.get(field.type) ?? []).find((each) => each.name === back?.name);
    if (backLine === undefined) throw unread(`The other side of ${name}.${field.name}`);
    relations.set(
      field.name,
      relationOf(name, line, backLine, bodies, (first) =>
        qualified(models[first]?.schema ?? inSchema, `_${field.relationName}`),
      ),
    );
  }
  return relations;
}

function relationOf(
  from: string,
  line: Line,
  back: Line,
  bodies: ReadonlyMap<string, readonly Line[]>,
  joinTable: (firstModel: string) => string,
): Relation {
  const common = { name: line.name, to: line.type, list: line.list, backToOne: !back.list };
  const here = line.attributes.get('@relation');
  const there = back.attributes.get('@relation');
  const isHere = namesIn(here, 'fields').length > 0;
  const inside = isHere ? here : there;
  const fields = namesIn(inside, 'fields');
  const references = namesIn(inside, 'references');
  if (fields.length === 0) {
    // The first of both by the alphabet is A; of one model with itself, the first field.
    const isFirst = from === line.type ? line.name < back.name : from < line.type;
    const table = joinTable(isFirst ? from : line.type);
    const through: JoinTable = isFirst
      ? { table, own: '"A"', other: '"B"' }
      : { table, own: '"B"', other: '"A"' };
    return { ...common, through, own: [], others: [], onDelete: 'Cascade', onUpdate: 'Cascade' };
  }
  const holder = bodies.get(isHere ? from : line.type) ?? [];
  const mayBeNull = fields.some((field) => holder.find(({ name }) => name === field)?.optional === true);
  return {
    ...common,
    through: isHere ? 'here' : 'there',
    own: isHere ? fields : references,
    others: isHere ? references : fields,
    // As Prisma's migrations make them where the schema does not say.
    onDelete: (wordIn(inside, 'onDelete') ?? (mayBeNull ? 'SetNull' : 'Restrict')) as Action,
    onUpdate: (wordIn(inside, 'onUpdate') ?? 'Cascade') as Action,
  };
}

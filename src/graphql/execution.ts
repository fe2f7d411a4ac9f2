/**
 * Operations that come again and again, run by a plan of their text: graphql-js goes through text and schema anew each time.
 *
 *     text ──once──▶ plan: the resolver of each field, and what becomes of its value
 *     run ──▶ all at hand, and as it should be ──▶ answer
 *        └─── an error, a promise, null where there must be a value ──▶ graphql-js, which words it
 *
 * A plan is only made of a text without fragments and directives, of one field with arguments that are variables, and
 * does no more than what is plain. The resolver of that field is called once, whoever goes on: graphql-js is given what came of it.
 */
import {
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  type FieldNode,
  type GraphQLField,
  type GraphQLFieldResolver,
  GraphQLObjectType,
  type GraphQLOutputType,
  GraphQLSchema,
  execute as interpret,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
  type SelectionSetNode,
} from 'graphql';

type Result = ExecutionResult | Promise<ExecutionResult>;
/** Throws what is not plain. */
type Complete = (value: unknown, context: unknown) => unknown;

interface Plan {
  readonly key: string;
  readonly resolve: PlainResolve;
  readonly args: readonly PlannedArgument[];
  readonly complete: Complete;
  /** Runs in a row in which a value was promised. After some graphql-js is asked at once: what is read from the database is always promised. */
  promised: number;
}

interface PlannedArgument {
  readonly name: string;
  readonly variable: string | null;
  readonly defaultValue: unknown;
  readonly isNeeded: boolean;
}

/** One that is told nothing of text and schema. */
type PlainResolve = (source: unknown, args: Record<string, unknown>, context: unknown) => unknown;

/** What came of the one field. */
type Outcome = { readonly value: unknown } | { readonly error: unknown };

class NotPlain extends Error {}
class Promised extends NotPlain {}
const MOST_PROMISED = 10;
const NOT_PLAIN = new NotPlain();
const PROMISED = new Promised();

const NO_ARGUMENTS = {};

const plans = new WeakMap<DocumentNode, Plan>();

/** Makes a plan where the operation is plain. From now on the document is run for it alone, with variables that have been coerced. */
export function planFor(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
): void {
  const plan = planOf(schema, operation);
  if (plan !== null) plans.set(document, plan);
}

export function execute(args: ExecutionArgs): Result {
  const plan = plans.get(args.document);
  const given =
    plan === undefined || plan.promised === MOST_PROMISED
      ? null
      : argumentsOf(plan, args.variableValues ?? {});
  if (plan === undefined || given === null) return interpret(args) as Result;
  try {
    const value: unknown = plan.resolve(args.rootValue, given, args.contextValue);
    if (!isPromise(value)) return complete(plan, args, value);
    return Promise.resolve(value).then(
      (settled) => complete(plan, args, settled),
      (error) => goOn(args, plan, { error }),
    );
  } catch (error) {
    return goOn(args, plan, { error });
  }
}

function complete(plan: Plan, args: ExecutionArgs, value: unknown): Result {
  try {
    const data = { [plan.key]: plan.complete(value, args.contextValue) };
    plan.promised = 0;
    return { data };
  } catch (error) {
    if (error === PROMISED) plan.promised++;
    return goOn(args, plan, { value });
  }
}

/** By graphql-js, from where the one field is resolved. */
function goOn(args: ExecutionArgs, { key }: Plan, outcome: Outcome): Result {
  return interpret({
    ...args,
    schema: withOutcomes(args.schema),
    rootValue: new Map([[key, outcome]]),
  }) as Result;
}

/** @returns null where graphql-js would refuse them. */
function argumentsOf(
  plan: Plan,
  variables: Readonly<Record<string, unknown>>,
): Record<string, unknown> | null {
  const given: Record<string, unknown> = {};
  for (const { name, variable, defaultValue, isNeeded } of plan.args) {
    const isGiven = variable !== null && Object.hasOwn(variables, variable);
    const value = isGiven ? variables[variable] : defaultValue;
    if (value == null && isNeeded) return null;
    if (isGiven || value !== undefined) given[name] = value;
  }
  return given;
}

const schemasOfOutcomes = new WeakMap<GraphQLSchema, GraphQLSchema>();

/** The same schema, in which the fields of mutations and subscriptions are what has come of them already. */
function withOutcomes(schema: GraphQLSchema): GraphQLSchema {
  const known = schemasOfOutcomes.get(schema);
  if (known !== undefined) return known;
  const config = schema.toConfig();
  const [mutation, subscription] = [config.mutation, config.subscription].map((type) =>
    type == null ? type : tellingOutcomes(type),
  );
  const types = config.types.filter((type) => type !== config.mutation && type !== config.subscription);
  const made = new GraphQLSchema({ ...config, mutation, subscription, types, assumeValid: true });
  schemasOfOutcomes.set(schema, made);
  return made;
}

function tellingOutcomes(type: GraphQLObjectType): GraphQLObjectType {
  const config = type.toConfig();
  const resolve: GraphQLFieldResolver<unknown, unknown> = (outcomes, _args, _context, { path }) => {
    const outcome = (outcomes as ReadonlyMap<string, Outcome>).get(String(path.key)) as Outcome;
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  };
  const fields = Object.entries(config.fields).map(([name, field]) => [name, { ...field, resolve }]);
  return new GraphQLObjectType({ ...config, fields: Object.fromEntries(fields) });
}

function planOf(schema: GraphQLSchema, operation: OperationDefinitionNode): Plan | null {
  const root = schema.getRootType(operation.operation);
  const node = onlyField(operation.selectionSet);
  if (operation.operation === OperationTypeNode.QUERY || root == null || node === null) return null;
  if (operation.variableDefinitions?.some(({ defaultValue }) => defaultValue !== undefined)) return null;
  const field = root.getFields()[node.name.value];
  if (field?.resolve === undefined || !isPlainResolver(field.resolve) || !isPlain(node)) return null;
  const args = planArguments(field, node);
  const completing = planValue(field.type, node.selectionSet);
  if (args === null || completing === null) return null;
  return {
    key: keyOf(node),
    resolve: field.resolve,
    args,
    complete: completing,
    promised: 0,
  };
}

function onlyField({ selections }: SelectionSetNode): FieldNode | null {
  const [node] = selections;
  return selections.length === 1 && node?.kind === Kind.FIELD ? node : null;
}

/** What is assigned as `__proto__` is no property. */
function isPlain(node: FieldNode): boolean {
  return (node.directives ?? []).length === 0 && keyOf(node) !== '__proto__';
}

function keyOf({ alias, name }: FieldNode): string {
  return (alias ?? name).value;
}

function planArguments(field: GraphQLField<unknown, unknown>, node: FieldNode): PlannedArgument[] | null {
  const planned: PlannedArgument[] = [];
  for (const { name, type, defaultValue } of field.args) {
    const value = node.arguments?.find((argument) => argument.name.value === name)?.value;
    if (value !== undefined && value.kind !== Kind.VARIABLE) return null;
    const variable = value?.name.value ?? null;
    planned.push({ name, variable, defaultValue, isNeeded: isNonNullType(type) });
  }
  return planned;
}

function planValue(type: GraphQLOutputType, selections: SelectionSetNode | undefined): Complete | null {
  if (isNonNullType(type)) {
    const given = planValue(type.ofType, selections);
    return given && ((value, context) => given(value, context) ?? fail(NOT_PLAIN));
  }
  const given = planGiven(type, selections);
  return (
    given &&
    ((value, context) => {
      if (isPromise(value)) return abandon([value]);
      if (value instanceof Error) return fail(NOT_PLAIN);
      return value == null ? null : given(value, context);
    })
  );
}

/** For a value that is there. */
function planGiven(type: GraphQLOutputType, selections: SelectionSetNode | undefined): Complete | null {
  if (isListType(type)) {
    const item = planValue(type.ofType, selections);
    return item && ((value, context) => completeList(value, item, context));
  }
  if (isLeafType(type)) return (value) => type.serialize(value) ?? fail(NOT_PLAIN);
  return isObjectType(type) && selections !== undefined ? planObject(type, selections) : null;
}

function completeList(value: unknown, item: Complete, context: unknown): unknown[] {
  if (!Array.isArray(value)) return fail(NOT_PLAIN);
  const promises = value.filter(isPromise);
  if (promises.length > 0) return abandon(promises);
  return Array.from(value, (each) => item(each, context));
}

function planObject(type: GraphQLObjectType, { selections }: SelectionSetNode): Complete | null {
  if (type.isTypeOf != null) return null;
  const fields = new Map<string, (source: unknown, context: unknown) => unknown>();
  for (const node of selections) {
    if (node.kind !== Kind.FIELD || !isPlain(node) || fields.has(keyOf(node))) return null;
    const planned = planField(type, node);
    if (planned === null) return null;
    fields.set(keyOf(node), planned);
  }
  const entries = [...fields];
  return (source, context) => {
    const object: Record<string, unknown> = {};
    for (const [key, field] of entries) object[key] = field(source, context);
    return object;
  };
}

function planField(type: GraphQLObjectType, node: FieldNode): Complete | null {
  const name = node.name.value;
  if (name === '__typename') return () => type.name;
  const field = type.getFields()[name];
  if (field === undefined || field.args.length > 0) return null;
  const { resolve = readProperty(name) } = field;
  if (!isPlainResolver(resolve)) return null;
  const completing = planValue(field.type, node.selectionSet);
  return completing && ((source, context) => completing(resolve(source, NO_ARGUMENTS, context), context));
}

/** Whether it takes no `info`, which is made by graphql-js alone. */
function isPlainResolver(resolve: GraphQLFieldResolver<unknown, unknown>): resolve is PlainResolve {
  return resolve.length <= 3;
}

/** As graphql-js does where a field has no resolver, but for methods. */
function readProperty(name: string): PlainResolve {
  return (source) => {
    const value = Object(source)[name];
    return typeof value === 'function' ? fail(NOT_PLAIN) : value;
  };
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

/** Nobody waits for them any more: graphql-js asks the resolvers again, and is told if they fail. */
function abandon(promises: readonly PromiseLike<unknown>[]): never {
  for (const promise of promises) promise.then(null, () => {});
  return fail(PROMISED);
}

function fail(why: NotPlain): never {
  throw why;
}

/**
 * What an operation asks for: its kind, its name, its fields, and what they are given. Of documents that are valid:
 * their fragments form no ring.
 */
import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLIncludeDirective,
  GraphQLSkipDirective,
  getDirectiveValues,
  getOperationAST,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
  type SelectionSetNode,
  valueFromASTUntyped,
} from 'graphql';

export interface RecordedOperation {
  readonly type: 'query' | 'mutation';
  /** As the client calls it; null where it has no name. */
  readonly name: string | null;
  /** What is asked for, whatever the client calls it. */
  readonly fields: readonly string[];
}

type Values = Readonly<Record<string, unknown>>;

const MOST_NAME_CHARS = 200;

/** Null for what there is not. Subscriptions are subscribed to and never executed: none comes here. */
export function operationOf(
  document: DocumentNode,
  named: string | null | undefined,
): RecordedOperation | null {
  const found = getOperationAST(document, named);
  if (found == null) return null;
  const { operation, name, selectionSet } = found;
  const fields = new Set(fieldsOf(selectionSet, document).map((field) => field.name.value));
  const type = operation === OperationTypeNode.MUTATION ? 'mutation' : 'query';
  return { type, name: name?.value ?? null, fields: [...fields] };
}

export function nameOf({ name, fields }: RecordedOperation): string {
  return (name ?? fields.join(', ')).slice(0, MOST_NAME_CHARS);
}

/**
 * The arguments of the field that is asked for; of several, those of each under the name that it has in the answer.
 * By the names that the schema gives them, by which secrets are known: a client may call its variables anything.
 *
 * They are as the client wrote them. What the schema makes of them (`getArgumentValues`) it makes where they are
 * executed; here its scalars would be asked once more, and answer what is no JSON.
 */
export function paramsOf(
  document: DocumentNode,
  named: string | null | undefined,
  variables: Values | null | undefined,
): Values {
  const operation = getOperationAST(document, named);
  if (operation == null) return {};
  const values = { ...defaultsOf(operation), ...variables };
  const fields = fieldsOf(operation.selectionSet, document).filter(
    (field) => !field.name.value.startsWith('__') && !isLeftOut(field, values),
  );
  const given = new Map(
    fields.map((field) => [field.alias?.value ?? field.name.value, argumentsOf(field, values)]),
  );
  const [first = {}] = given.values();
  if (given.size <= 1) return first;
  return Object.fromEntries([...given].filter(([, own]) => Object.keys(own).length > 0));
}

/** By `@skip` or `@include`. */
function isLeftOut(field: FieldNode, variables: Values): boolean {
  const skip = getDirectiveValues(GraphQLSkipDirective, field, variables);
  const include = getDirectiveValues(GraphQLIncludeDirective, field, variables);
  return skip?.if === true || include?.if === false;
}

function argumentsOf({ arguments: given = [] }: FieldNode, variables: Values): Values {
  return Object.fromEntries(
    given.map(({ name, value }) => [name.value, valueFromASTUntyped(value, variables)]),
  );
}

function defaultsOf({ variableDefinitions = [] }: OperationDefinitionNode): Values {
  return Object.fromEntries(
    variableDefinitions.flatMap(({ variable, defaultValue }) =>
      defaultValue === undefined ? [] : [[variable.name.value, valueFromASTUntyped(defaultValue)]],
    ),
  );
}

/** A fragment counts once, as it does to GraphQL: fragments that name others twice would double with each. */
function fieldsOf(
  { selections }: SelectionSetNode,
  document: DocumentNode,
  seen = new Set<string>(),
): FieldNode[] {
  return selections.flatMap((selection) => {
    if (selection.kind === Kind.FIELD) return [selection];
    if (selection.kind === Kind.INLINE_FRAGMENT) return fieldsOf(selection.selectionSet, document, seen);
    const { value: name } = selection.name;
    if (seen.has(name)) return [];
    seen.add(name);
    const fragment = fragmentOf(document, name);
    return fragment === undefined ? [] : fieldsOf(fragment.selectionSet, document, seen);
  });
}

function fragmentOf({ definitions }: DocumentNode, name: string): FragmentDefinitionNode | undefined {
  return definitions
    .filter((definition) => definition.kind === Kind.FRAGMENT_DEFINITION)
    .find((definition) => definition.name.value === name);
}

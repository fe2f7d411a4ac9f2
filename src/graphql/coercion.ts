/**
 * The variables of mutations, coerced by functions made once for each input type. graphql-js goes through the
 * schema anew for every value, which took a quarter of the time in which a batch of events is recorded.
 *
 *     operation ──once──▶ its text with `$input: Coerced`, and what makes the values that it stands for
 *     variables ──────▶ values ──▶ executed as they are
 *                   └─ not valid ──▶ executed as they came: graphql-js finds the fault again, and words it
 *
 * Only what is valid is handled here, so no error is worded twice. Input objects come out with all their fields, those
 * left out as undefined: of one shape, however they were sent.
 */
import {
  type ASTNode,
  type DocumentNode,
  type GraphQLInputObjectType,
  type GraphQLInputType,
  GraphQLScalarType,
  GraphQLSchema,
  isInputObjectType,
  isListType,
  isNonNullType,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
  typeFromAST,
  type VariableDefinitionNode,
  visit,
} from 'graphql';
import { planFor } from './execution.ts';

export interface Executable {
  readonly schema: GraphQLSchema;
  readonly document: DocumentNode;
  readonly variableValues: Readonly<Record<string, unknown>> | null;
}

type Variables = Readonly<Record<string, unknown>> | null;
/** Throws where the value is not valid. */
type Coerce = (value: unknown) => unknown;

interface Plan {
  readonly document: DocumentNode;
  readonly variables: readonly { readonly name: string; readonly coerce: Coerce }[];
}

/** Its values have been coerced. */
const COERCED = new GraphQLScalarType({ name: 'Coerced' });

/** @returns what to execute for an operation of a document: the same, or what comes to the same faster. */
export function createCoercion(schema: GraphQLSchema) {
  const compile = createCompile();
  const config = schema.toConfig();
  const ofCoerced = new GraphQLSchema({ ...config, types: [...config.types, COERCED], assumeValid: true });
  const plans = new WeakMap<OperationDefinitionNode, Plan | null>();

  function plan(document: DocumentNode, operation: OperationDefinitionNode): Plan | null {
    if (operation.operation !== OperationTypeNode.MUTATION || hasVariableInLiteral(document)) return null;
    const variables: { name: string; coerce: Coerce }[] = [];
    const definitions = operation.variableDefinitions?.map((definition): VariableDefinitionNode => {
      const type = typeFromAST(schema, definition.type) as GraphQLInputType;
      if (!isOfObjects(type)) return definition;
      variables.push({ name: definition.variable.name.value, coerce: compile(type) });
      return { ...definition, type: COERCED_NODE };
    });
    if (variables.length === 0) return null;
    const rewritten = { ...operation, variableDefinitions: definitions ?? [] };
    const replace = <T extends ASTNode>(node: T) => (node === (operation as ASTNode) ? rewritten : node);
    const executable = { ...document, definitions: document.definitions.map(replace) };
    if (variables.length === definitions?.length) planFor(ofCoerced, executable, rewritten);
    return { document: executable, variables };
  }

  return (document: DocumentNode, operation: OperationDefinitionNode, variables: Variables): Executable => {
    const asItCame = { schema, document, variableValues: variables };
    let coercion = plans.get(operation);
    if (coercion === undefined) {
      coercion = plan(document, operation);
      plans.set(operation, coercion);
    }
    if (coercion === null) return asItCame;
    const values = coerceAll(coercion, variables);
    return values === null
      ? asItCame
      : { schema: ofCoerced, document: coercion.document, variableValues: values };
  };
}

/** There it becomes part of a value of the literal's type, JSON for instance, and must be as it came. */
function hasVariableInLiteral(document: DocumentNode): boolean {
  const found: ASTNode[] = [];
  const within = {
    enter: (literal: ASTNode) => void visit(literal, { Variable: (node) => void found.push(node) }),
  };
  visit(document, { ObjectValue: within, ListValue: within });
  return found.length > 0;
}

const COERCED_NODE = {
  kind: Kind.NAMED_TYPE,
  name: { kind: Kind.NAME, value: COERCED.name },
} as const;

function coerceAll(plan: Plan, variables: Variables): Record<string, unknown> | null {
  const values = { ...variables };
  try {
    for (const { name, coerce } of plan.variables) {
      // Left out is not the same as null, and may have a default.
      if (!Object.hasOwn(values, name)) return null;
      values[name] = coerce(values[name]);
    }
    return values;
  } catch {
    return null;
  }
}

function isOfObjects(type: GraphQLInputType): boolean {
  return isListType(type) || isNonNullType(type) ? isOfObjects(type.ofType) : isInputObjectType(type);
}

function createCompile(): (type: GraphQLInputType) => Coerce {
  /** Types may name themselves. */
  const ofObjects = new Map<GraphQLInputObjectType, Coerce>();

  /** For a value that is not null. */
  function compileGiven(type: GraphQLInputType): Coerce {
    if (isNonNullType(type)) return compileGiven(type.ofType);
    if (isListType(type)) {
      const item = compile(type.ofType);
      return (value) => (Array.isArray(value) ? value.map(item) : [item(value)]);
    }
    if (isInputObjectType(type)) {
      const known = ofObjects.get(type);
      if (known !== undefined) return known;
      let coerce: Coerce = () => fail();
      ofObjects.set(type, (value) => coerce(value));
      coerce = compileObject(type);
      return coerce;
    }
    return (value) => {
      const parsed = type.parseValue(value);
      return parsed === undefined ? fail() : parsed;
    };
  }

  function compile(type: GraphQLInputType): Coerce {
    const coerce = compileGiven(type);
    if (isNonNullType(type)) return (value) => (value == null ? fail() : coerce(value));
    return (value) => (value == null ? null : coerce(value));
  }

  function compileObject(type: GraphQLInputObjectType): Coerce {
    const fields = new Map<string, { readonly coerce: Coerce; readonly isNeeded: boolean }>();
    const blank: Record<string, unknown> = {};
    let needed = 0;
    for (const { name, type: typeOfField, defaultValue } of Object.values(type.getFields())) {
      const isNeeded = isNonNullType(typeOfField) && defaultValue === undefined;
      fields.set(name, { coerce: compile(typeOfField), isNeeded });
      blank[name] = defaultValue;
      if (isNeeded) needed++;
    }
    return (value) => {
      if (typeof value !== 'object' || Array.isArray(value)) return fail();
      const given = value as Readonly<Record<string, unknown>>;
      const coerced = { ...blank };
      let missing = needed;
      for (const name of Object.keys(given)) {
        const field = fields.get(name);
        const item = given[name];
        if (field === undefined || item === undefined) return fail();
        coerced[name] = field.coerce(item);
        if (field.isNeeded) missing--;
      }
      return missing === 0 ? coerced : fail();
    };
  }

  return compile;
}

/** What is wrong is for graphql-js to say. */
function fail(): never {
  throw INVALID;
}
const INVALID = new Error('Not valid.');

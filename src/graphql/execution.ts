/**
 * Running operations. Those whose variables are known to be good, and that come again and again, are run by functions that
 * graphql-jit makes of their texts; all others by graphql-js, which finds and words what is wrong with them.
 *
 *     mutation, its variables coerced ahead ─┐
 *     live message of a subscription ────────┴─ run often ──▶ compiled ──▶ its own function
 */
import {
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  getNamedType,
  getOperationAST,
  execute as interpret,
  isLeafType,
  type NamedTypeNode,
  typeFromAST,
} from 'graphql';
import { type CompiledQuery, compileQuery, isCompiledQuery } from 'graphql-jit';
import { getComplexity, simpleEstimator } from 'graphql-query-complexity';

interface Compilable {
  runs: number;
  /** Null where it was not yet worth it, or cannot be done. */
  compiled: {
    readonly operationName: ExecutionArgs['operationName'];
    readonly query: CompiledQuery['query'];
  } | null;
}

/** Compiling takes as long as a hundred runs or so: a text that is sent a few times is not worth it. */
export const RUNS_BEFORE_COMPILING = 100;
/**
 * Fields and fragments, each as often as it is named. Everybody waits for a compilation: 500 take 10 ms, and 20 fragments
 * that name each other twice would take hours.
 */
const MAX_COMPILED_NODES = 500;

const compilables = new WeakMap<DocumentNode, Compilable>();

/** @returns the document, which from now on is only run with variables that it takes. */
export function compilable(document: DocumentNode): DocumentNode {
  if (!compilables.has(document)) compilables.set(document, { runs: 0, compiled: null });
  return document;
}

export function execute(args: ExecutionArgs): ExecutionResult | Promise<ExecutionResult> {
  const { document, operationName, rootValue, contextValue, variableValues } = args;
  const known = compilables.get(document);
  if (known !== undefined && ++known.runs === RUNS_BEFORE_COMPILING) known.compiled = compile(args);
  const compiled = known?.compiled ?? null;
  if (compiled === null || compiled.operationName !== operationName) {
    return interpret(args) as ExecutionResult | Promise<ExecutionResult>;
  }
  const result: ExecutionResult | Promise<ExecutionResult> = compiled.query(
    rootValue,
    contextValue,
    variableValues ?? {},
  );
  return result instanceof Promise ? result.then(withOrigins) : withOrigins(result);
}

/** What graphql-jit finds to be wrong by itself is never the client's fault here: it is an error as if it had been thrown. */
function withOrigins(result: ExecutionResult): ExecutionResult {
  if (result.errors === undefined) return result;
  const errors = result.errors.map((error) =>
    error.originalError == null
      ? Object.create(error, { originalError: { value: new Error(error.message) } })
      : error,
  );
  return { ...result, errors };
}

function compile(args: ExecutionArgs): Compilable['compiled'] {
  const { schema, document, operationName } = args;
  if (!isSmall(args) || !areScalars(args)) return null;
  const compiled = compileQuery(schema, document, operationName ?? undefined);
  return isCompiledQuery(compiled) ? { operationName, query: compiled.query } : null;
}

function isSmall({ schema, document, operationName, variableValues }: ExecutionArgs): boolean {
  try {
    getComplexity({
      schema,
      query: document,
      variables: variableValues ?? {},
      ...(operationName != null && { operationName }),
      maxQueryNodes: MAX_COMPILED_NODES,
      estimators: [simpleEstimator()],
    });
    return true;
  } catch {
    return false;
  }
}

/** graphql-jit goes through the type of each variable: one that names itself, as a filter does, takes it seconds to give up. */
function areScalars({ schema, document, operationName }: ExecutionArgs): boolean {
  const definitions = getOperationAST(document, operationName)?.variableDefinitions ?? [];
  return definitions.every(({ type }) =>
    isLeafType(getNamedType(typeFromAST(schema, type as NamedTypeNode))),
  );
}

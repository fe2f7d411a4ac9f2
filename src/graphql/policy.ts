/**
 * Both doors, one policy: whatever comes in by HTTP, SSE or WebSocket goes through `prepare` before
 * anything is executed. Texts are parsed and validated by Yoga's pipeline, with its plugins; what has
 * passed is remembered, because clients send the same few texts again and again.
 *
 * Text and variables are weighed before they are run. A query of 20 fragments that name each other twice
 * is 2 kB of text and a million fields.
 */
import { maxAliasesRule } from '@escape.tech/graphql-armor-max-aliases';
import { maxDepthRule } from '@escape.tech/graphql-armor-max-depth';
import { maxDirectivesRule } from '@escape.tech/graphql-armor-max-directives';
import {
  type DocumentNode,
  type ExecutionArgs,
  GraphQLError,
  getOperationAST,
  getVariableValues,
  Kind,
  Lexer,
  type OperationDefinitionNode,
  OperationTypeNode,
  SchemaMetaFieldDef,
  Source,
  TokenKind,
  type TypeNode,
  type ValidationContext,
} from 'graphql';
import {
  type ComplexityEstimator,
  fieldExtensionsEstimator,
  getComplexity,
  simpleEstimator,
} from 'graphql-query-complexity';
import { createYoga, type Plugin } from 'graphql-yoga';
import type { Principal } from '../access/principal.ts';
import { checkToken } from '../access/revocation.ts';
import { EventreeError, messageOf } from '../base/errors.ts';
import { isDeeperThan } from '../base/json.ts';
import { createCoercion } from './coercion.ts';
import { Context, type Core, type Outlet } from './context.ts';
import { refusal } from './errors.ts';
import type { FindText, Named } from './persisted.ts';
import { schema } from './schema.ts';

/** As a client sends it: by its text, or by the hash of one that is known here. */
export interface Operation extends Named {
  readonly operationName?: string | null | undefined;
  readonly variables?: Readonly<Record<string, unknown>> | null | undefined;
}

/** Where a door lets a subscription's messages out. */
export type Exit = Pick<Outlet, 'wire' | 'print'>;

export interface PolicyLimits {
  readonly maxQueryDepth: number;
  readonly maxQueryCost: number;
  readonly maxQueryTokens: number;
}

export interface Policy {
  /**
   * What to execute, or why not. Never throws.
   *
   * @param exit for a subscription, without which it is not opened.
   */
  prepare(
    operation: Operation,
    principal: Principal,
    exit?: () => Exit,
  ): ExecutionArgs | readonly GraphQLError[];
}

const MAX_ALIASES = 100;
const MAX_DIRECTIVES = 50;
/** Texts that are remembered, all together, and how long each may be. A parsed text takes about 120 bytes a character. */
const REMEMBERED_CHARS = 500_000;
const LONGEST_REMEMBERED_CHARS = 10_000;
/** Fragments and fields that are looked at to estimate a cost. */
const MAX_WEIGHED_NODES = 20_000;
/** About as many fields the whole schema has, as tools ask for it. */
const SCHEMA_COST = 2_000;
/**
 * Brackets within brackets, in a text or in variables. Parsing, coercing and executing go into them by
 * recursion, and overflow the stack at a few thousand. The largest tree of events with the deepest payload
 * has 2 × 256 + 64.
 */
const MAX_NESTING = 600;
const MAX_STREAM_VARIABLES_CHARS = 65_536;

export function createPolicy(core: Core, limits: PolicyLimits, findText: FindText): Policy {
  const yoga = createYoga({
    schema,
    logging: false,
    graphiql: false,
    landingPage: false,
    maskedErrors: false,
    // It would keep a thousand texts however long they are. Those worth keeping are kept below.
    parserAndValidationCache: false,
    plugins: [limitsOfText(limits)],
  });

  const weigh = createScales(limits.maxQueryCost);
  const coerce = createCoercion(schema);
  const remembered = new Map<string, DocumentNode>();
  let rememberedChars = 0;
  let newest = '';

  /** The document of a text that is well-formed, valid and within limits, or why it is not. */
  function check(query: string): DocumentNode | readonly GraphQLError[] {
    const known = remembered.get(query);
    if (known !== undefined) {
      // Those that are used stay longest.
      if (query !== newest) remember(query, known);
      return known;
    }
    const { parse, validate } = yoga.getEnveloped({});
    const document = parseWithin(query, parse, limits.maxQueryTokens);
    if (document instanceof GraphQLError) return [document];
    const errors = validateSafely(() => validate(schema, document) as readonly GraphQLError[]);
    if (errors.length > 0) return errors.map(withCode('GRAPHQL_VALIDATION_FAILED'));
    if (query.length <= LONGEST_REMEMBERED_CHARS) remember(query, document);
    return document;
  }

  function remember(query: string, document: DocumentNode): void {
    if (!remembered.delete(query)) rememberedChars += query.length;
    remembered.set(query, document);
    newest = query;
    for (const oldest of remembered.keys()) {
      if (rememberedChars <= REMEMBERED_CHARS) break;
      remembered.delete(oldest);
      rememberedChars -= oldest.length;
    }
  }

  return {
    prepare(asked, principal, exit) {
      const { operationName, variables } = asked;
      // A socket outlives the token that it was opened with.
      if (principal.expiresAt !== null && principal.expiresAt <= Date.now()) {
        return [refusal('UNAUTHENTICATED', 'The token has expired: connect again with a new one.')];
      }
      try {
        checkToken(principal, core.registry.current().revocations);
      } catch (error) {
        return [new GraphQLError(messageOf(error), { originalError: error as Error })];
      }
      const text = findText(asked);
      if (typeof text !== 'string') return [text];
      const document = check(text);
      if (!('kind' in document)) return document;
      const operation = getOperationAST(document, operationName);
      if (operation == null) {
        const sentence =
          operationName == null
            ? 'Say by operationName which operation to run.'
            : `There is no operation ${JSON.stringify(operationName)}.`;
        return [refusal('BAD_USER_INPUT', sentence)];
      }
      if (isDeeperThan(variables, MAX_NESTING)) {
        return [refusal('LIMIT_EXCEEDED', `The variables are nested deeper than ${MAX_NESTING} levels.`)];
      }
      const isStream = operation.operation === OperationTypeNode.SUBSCRIPTION;
      if (isStream && JSON.stringify(variables ?? null).length > MAX_STREAM_VARIABLES_CHARS) {
        const sentence = `The variables are kept as long as the subscription is open, and are more than ${MAX_STREAM_VARIABLES_CHARS} characters of JSON: ask for less in one.`;
        return [refusal('LIMIT_EXCEEDED', sentence)];
      }
      const tooCostly = weigh(document, operation, variables ?? {});
      if (tooCostly !== null) return [tooCostly];
      const name = operationName ?? null;
      if (isStream) {
        const what = { schema, document, variableValues: variables ?? null, operationName: name };
        const outlet = exit === undefined ? null : { ...exit(), operation: what };
        return { ...what, contextValue: new Context(core, principal, { outlet }) };
      }
      const executable = coerce(document, operation, variables ?? null);
      return {
        schema: executable.schema,
        document: executable.document,
        variableValues: executable.variableValues,
        operationName: name,
        contextValue: new Context(core, principal),
      };
    },
  };
}

/** One of graphql's own rules throws what it should report. */
function validateSafely(validate: () => readonly GraphQLError[]): readonly GraphQLError[] {
  try {
    return validate();
  } catch (error) {
    if (error instanceof GraphQLError) return [error];
    throw error;
  }
}

function parseWithin(
  query: string,
  parser: (query: string) => DocumentNode,
  maxTokens: number,
): DocumentNode | GraphQLError {
  try {
    return refuseLarge(query, maxTokens) ?? parser(query);
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    return withCode('GRAPHQL_PARSE_FAILED')(error);
  }
}

/** @throws GraphQLError where the text is not made of GraphQL's words and signs. */
function refuseLarge(query: string, maxTokens: number): GraphQLError | null {
  const lexer = new Lexer(new Source(query));
  let tokens = 0;
  let nesting = 0;
  for (let token = lexer.advance(); token.kind !== TokenKind.EOF; token = lexer.advance()) {
    if (++tokens > maxTokens) {
      return refusal('LIMIT_EXCEEDED', `The operation’s text is longer than ${maxTokens} words and signs.`);
    }
    if (OPENING.has(token.kind) && ++nesting > MAX_NESTING) {
      return refusal('LIMIT_EXCEEDED', `The operation’s text is nested deeper than ${MAX_NESTING} levels.`);
    }
    if (CLOSING.has(token.kind)) nesting--;
  }
  return null;
}

const OPENING = new Set<TokenKind>([TokenKind.BRACE_L, TokenKind.BRACKET_L, TokenKind.PAREN_L]);
const CLOSING = new Set<TokenKind>([TokenKind.BRACE_R, TokenKind.BRACKET_R, TokenKind.PAREN_R]);

/** Rules that hold for a text whatever its variables are: checked once and remembered with it. */
function limitsOfText({ maxQueryDepth }: PolicyLimits): Plugin {
  const refusing = (sentence: string) => ({
    propagateOnRejection: false,
    onReject: [
      (context: ValidationContext | null) => context?.reportError(refusal('LIMIT_EXCEEDED', sentence)),
    ],
  });
  const rules = [
    maxDepthRule({
      n: maxQueryDepth,
      flattenFragments: true,
      ...refusing(`The operation is deeper than ${maxQueryDepth} levels of fields.`),
    }),
    maxAliasesRule({ n: MAX_ALIASES, ...refusing(`The operation has more than ${MAX_ALIASES} aliases.`) }),
    maxDirectivesRule({
      n: MAX_DIRECTIVES,
      ...refusing(`The operation has more than ${MAX_DIRECTIVES} directives.`),
    }),
  ];
  return {
    onValidate({ addValidationRule }) {
      for (const rule of rules) addValidationRule(rule);
    },
  };
}

/**
 * Refuses an operation whose answer may have too many fields: pages count as often as they are long.
 *
 * Only variables of type Int and Boolean can change the estimate (`first`, `@include`); an operation
 * without them is weighed once.
 */
function createScales(most: number) {
  const weighed = new WeakMap<OperationDefinitionNode, GraphQLError | null>();
  return (document: DocumentNode, operation: OperationDefinitionNode, variables: Record<string, unknown>) => {
    const known = weighed.get(operation);
    if (known !== undefined) return known;
    const definitions = operation.variableDefinitions ?? [];
    // Variables that are not what the operation declares are named, one by one, when it is to be executed.
    if (getVariableValues(schema, definitions, variables).errors !== undefined) return null;
    const verdict = weighNow(document, operation.name?.value, variables, most);
    const varies = definitions.some(({ type }) => ['Int', 'Boolean'].includes(namedTypeOf(type)));
    const isWeighed = verdict === null || verdict.originalError instanceof EventreeError;
    if (isWeighed && !varies) weighed.set(operation, verdict);
    return verdict;
  };
}

function namedTypeOf(type: TypeNode): string {
  return type.kind === Kind.NAMED_TYPE ? type.name.value : namedTypeOf(type.type);
}

function weighNow(
  query: DocumentNode,
  operationName: string | undefined,
  variables: Record<string, unknown>,
  most: number,
): GraphQLError | null {
  const refused = (sentence: string) => refusal('LIMIT_EXCEEDED', sentence);
  try {
    const cost = getComplexity({
      schema,
      query,
      variables,
      ...(operationName !== undefined && { operationName }),
      maxQueryNodes: MAX_WEIGHED_NODES,
      estimators: [costOfSchema, fieldExtensionsEstimator(), simpleEstimator({ defaultComplexity: 1 })],
    });
    if (cost <= most) return null;
    return refused(`The operation may answer with ${cost} fields, more than ${most}: ask for smaller pages.`);
  } catch (error) {
    // Null for an argument that must not be null is found out only here. What cannot be weighed is not run.
    if (!(error instanceof GraphQLError)) throw error;
    if (!/maximum .*number of nodes/.test(error.message)) return error;
    return refused('The operation has too many fields and fragments to be weighed: ask for less at a time.');
  }
}

const costOfSchema: ComplexityEstimator = ({ field, childComplexity }) =>
  field === SchemaMetaFieldDef ? SCHEMA_COST + childComplexity : undefined;

/** Gives an error its code where it has none. */
function withCode(code: string) {
  return (error: GraphQLError): GraphQLError => {
    if (!(error.originalError instanceof EventreeError)) error.extensions.code ??= code;
    return error;
  };
}

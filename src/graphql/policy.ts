/**
 * Both doors, one policy: whatever comes in by HTTP, SSE or WebSocket goes through `prepare` before
 * anything is executed. Yoga carries the pipeline, so its plugins hold on every door too.
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
  Kind,
  type OperationDefinitionNode,
  type TypeNode,
  type ValidationContext,
} from 'graphql';
import { fieldExtensionsEstimator, getComplexity, simpleEstimator } from 'graphql-query-complexity';
import { createYoga, type Plugin } from 'graphql-yoga';
import type { Principal } from '../access/principal.ts';
import { EventreeError } from '../base/errors.ts';
import { type Context, type Core, createContext } from './context.ts';
import { schema } from './schema.ts';

export interface Operation {
  readonly query: string;
  readonly operationName?: string | null | undefined;
  readonly variables?: Readonly<Record<string, unknown>> | null | undefined;
}

export interface PolicyLimits {
  readonly maxQueryDepth: number;
  readonly maxQueryCost: number;
  readonly maxQueryTokens: number;
}

export interface Policy {
  /** What to execute, or why not. Never throws. */
  prepare(operation: Operation, principal: Principal): Promise<ExecutionArgs | readonly GraphQLError[]>;
}

const MAX_ALIASES = 100;
const MAX_DIRECTIVES = 50;
/** Fragments and fields that are looked at to estimate a cost. */
const MAX_WEIGHED_NODES = 20_000;

export function createPolicy(core: Core, limits: PolicyLimits): Policy {
  const yoga = createYoga<{ principal: Principal }, Context>({
    schema,
    logging: false,
    graphiql: false,
    landingPage: false,
    maskedErrors: false,
    context: ({ principal }) => createContext(core, principal),
    plugins: [limitsOfText(limits)],
  });

  const weighOnce = createScales(limits.maxQueryCost);

  return {
    async prepare({ query, operationName, variables }, principal) {
      const enveloped = yoga.getEnveloped({ principal });
      const document = parse(query, enveloped.parse, limits);
      if (document instanceof GraphQLError) return [document];
      const errors = enveloped.validate(enveloped.schema, document) as readonly GraphQLError[];
      if (errors.length > 0) return errors.map(withCode('GRAPHQL_VALIDATION_FAILED'));
      const operation = getOperationAST(document, operationName);
      if (operation == null) {
        const message =
          operationName == null
            ? 'Say by operationName which operation to run.'
            : `There is no operation ${operationName}.`;
        return [refusal('BAD_USER_INPUT', message)];
      }
      const tooCostly = weighOnce(document, operation, variables ?? {});
      if (tooCostly !== null) return [tooCostly];
      return {
        schema: enveloped.schema,
        document,
        contextValue: (await enveloped.contextFactory()) as Context,
        variableValues: variables ?? null,
        operationName: operationName ?? null,
      };
    },
  };
}

function parse(
  query: string,
  parser: (query: string, options: { maxTokens: number }) => DocumentNode,
  { maxQueryTokens }: PolicyLimits,
): DocumentNode | GraphQLError {
  try {
    return parser(query, { maxTokens: maxQueryTokens });
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    return /contains more that? \d+ tokens/.test(error.message)
      ? refusal('LIMIT_EXCEEDED', `The operation’s text is longer than ${maxQueryTokens} words and signs.`)
      : withCode('GRAPHQL_PARSE_FAILED')(error);
  }
}

/** Rules that hold for a text whatever its variables are: checked once and remembered with it. */
function limitsOfText({ maxQueryDepth }: PolicyLimits): Plugin {
  const refuse = (sentence: string) => (context: ValidationContext | null) =>
    context?.reportError(refusal('LIMIT_EXCEEDED', sentence));
  const quietly = { propagateOnRejection: false };
  return {
    onValidate({ addValidationRule }) {
      addValidationRule(
        maxDepthRule({
          ...quietly,
          n: maxQueryDepth,
          flattenFragments: true,
          onReject: [refuse(`The operation is deeper than ${maxQueryDepth} levels of fields.`)],
        }),
      );
      addValidationRule(
        maxAliasesRule({
          ...quietly,
          n: MAX_ALIASES,
          onReject: [refuse(`The operation has more than ${MAX_ALIASES} aliases.`)],
        }),
      );
      addValidationRule(
        maxDirectivesRule({
          ...quietly,
          n: MAX_DIRECTIVES,
          onReject: [refuse(`The operation has more than ${MAX_DIRECTIVES} directives.`)],
        }),
      );
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
    const verdict = weigh(document, operation.name?.value, variables, most);
    const varies = operation.variableDefinitions?.some(({ type }) =>
      ['Int', 'Boolean'].includes(namedTypeOf(type)),
    );
    if (!varies) weighed.set(operation, verdict);
    return verdict;
  };
}

function namedTypeOf(type: TypeNode): string {
  return type.kind === Kind.NAMED_TYPE ? type.name.value : namedTypeOf(type.type);
}

function weigh(
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
      estimators: [fieldExtensionsEstimator(), simpleEstimator({ defaultComplexity: 1 })],
    });
    if (cost <= most) return null;
    return refused(`The operation may answer with ${cost} fields, more than ${most}: ask for smaller pages.`);
  } catch (error) {
    // Variables that are not what the operation declares are named, one by one, when it is executed.
    if (!(error instanceof Error) || !error.message.includes('maximum number of nodes')) return null;
    return refused('The operation has too many fields and fragments to be weighed: ask for less at a time.');
  }
}

function refusal(code: EventreeError['code'], sentence: string): GraphQLError {
  return new GraphQLError(sentence, { originalError: new EventreeError(code, sentence) });
}

/** Gives an error its code where it has none. */
function withCode(code: string) {
  return (error: GraphQLError): GraphQLError => {
    if (!(error.originalError instanceof EventreeError)) error.extensions.code ??= code;
    return error;
  };
}

/**
 * A plugin of GraphQL Yoga: a call for each mutation, within which its resolvers run. They find it by
 * themselves. What is answered stays as it is. Errors of the fields that are asked for mark the call failed; those of
 * what is read further down it tells, and keeps what was recorded. Subscriptions have no end that a call could have, and
 * are left alone.
 *
 *     createYoga({ schema, plugins: [useEventree({ recorder, actor: ({ user }) => user?.claim })] })
 */
import type { ExecutionResult } from 'graphql';
import type { Plugin, YogaInitialContext } from 'graphql-yoga';
import type { OpenCall } from './call.ts';
import type { CallOptions, Recorder } from './recorder.ts';
import type { Call } from './scope.ts';
import type { Session } from './session.ts';
import { readTrace } from './trace.ts';
import { failureIn, type ToldError, toldIn } from './yoga-errors.ts';
import { nameOf, operationOf, paramsOf, type RecordedOperation } from './yoga-operation.ts';

export type { RecordedOperation };

type Of<Context, Value> = (context: Context) => Value | null | undefined | Promise<Value | null | undefined>;

export interface EventreeOptions<Context> {
  readonly recorder: Recorder;
  /** Which operations are recorded; left out: mutations. */
  readonly filter?: (operation: RecordedOperation, context: Context) => boolean;
  /** Who asks: `user/jane`. This and the next: from the context as the resolvers have it. */
  readonly actor?: Of<Context, string>;
  readonly activeClaim?: Of<Context, string>;
  /** Or its id. */
  readonly session?: Of<Context, Session | string>;
  /** Left out, or nothing given: that of the call around it, or else the trace's id, where the request belongs to one. */
  readonly correlationId?: Of<Context, string>;
  /** Names of arguments, at any depth, that only owners see; see CallOptions. */
  readonly private?: readonly string[];
  /** False: nothing is left of an operation within which the process ends. */
  readonly marker?: boolean;
}

/** What executing comes to: an answer, or with `@defer` and `@stream` its parts. */
type Result = ExecutionResult | AsyncIterable<ExecutionResult>;

export function useEventree<Context extends object = Record<never, never>>(
  options: EventreeOptions<YogaInitialContext & Context>,
): Plugin<Context> {
  type Whole = YogaInitialContext & Context;
  return {
    onExecute({ args, executeFn, setExecuteFn }) {
      const operation = operationOf(args.document, args.operationName);
      // What resolvers have as their context.
      const context = args.contextValue as Whole;
      if (operation === null) return;
      if (!(options.filter?.(operation, context) ?? operation.type === 'mutation')) return;
      setExecuteFn(async (given) => {
        const params = paramsOf(given.document, given.operationName, given.variableValues);
        const call = await callOptions(options, operation, params, context);
        return within(options.recorder, nameOf(operation), call, async () => executeFn(given));
      });
    },
  };
}

async function callOptions<Context extends YogaInitialContext>(
  options: EventreeOptions<Context>,
  operation: RecordedOperation,
  params: unknown,
  context: Context,
): Promise<CallOptions> {
  const { marker } = options;
  const trace = readTrace(context.request?.headers.get('traceparent'));
  const [actor, activeClaim, session, correlationId] = await Promise.all([
    options.actor?.(context),
    options.activeClaim?.(context),
    options.session?.(context),
    options.correlationId?.(context),
  ]);
  const around = options.recorder.current()?.call.correlationId ?? null;
  const correlation = correlationId ?? (around === null ? trace?.traceId : null);
  return {
    params,
    ...(options.private !== undefined && { private: options.private }),
    ...(actor != null && { actor }),
    ...(activeClaim != null && { activeClaim }),
    ...(session != null && { session }),
    ...(correlation != null && { correlationId: correlation }),
    ...(marker !== undefined && { marker }),
    payload: {
      operation: operation.type,
      // The name is the client's own, and could say anything.
      fields: operation.fields,
      ...(trace !== null && { traceparent: trace.traceparent }),
    },
  };
}

/**
 * Executes within a call, which lasts until the last part of the answer. What is thrown out of the call to mark it
 * failed ends here: the answer holds it already.
 */
function within(
  recorder: Recorder,
  name: string,
  options: CallOptions,
  execute: () => Promise<Result>,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    let answered: Result | null = null;
    const run = async (call: Call) => {
      const answer = await execute();
      answered = answer;
      if (!isStream(answer)) {
        tell(call, toldIn(answer));
        return orThrow(failureIn(answer), answer);
      }
      const { parts, outcome } = watch(answer);
      resolve(parts);
      const { failure, told } = await outcome;
      tell(call, told);
      return orThrow(failure, undefined);
    };
    const settle = (error?: unknown) => (answered === null ? reject(error) : resolve(answered));
    recorder.call(name, options, run).then(() => settle(), settle);
  });
}

function orThrow<T>(failure: unknown, value: T): T {
  if (failure !== undefined) throw failure;
  return value;
}

function isStream(result: Result): result is AsyncIterable<ExecutionResult> {
  return Symbol.asyncIterator in result;
}

const MOST_TOLD = 20;

/** Of a call that has not failed; of one that does, its failure stands in the same place. */
function tell(call: Call, errors: readonly ToldError[]): void {
  if (errors.length === 0) return;
  // Calls of a recorder are such; that one has errors and has not failed is no matter of applications.
  (call as OpenCall).tell({ error_value: errors.slice(0, MOST_TOLD) });
}

interface Outcome {
  /** What was wrong with the first part that failed. */
  readonly failure: unknown;
  readonly told: readonly ToldError[];
}

/** The same parts, and what came of them, known when no more come. */
function watch(parts: AsyncIterable<ExecutionResult>): {
  parts: AsyncIterable<ExecutionResult>;
  outcome: Promise<Outcome>;
} {
  let resolve: (outcome: Outcome) => void = () => {};
  const outcome = new Promise<Outcome>((given) => {
    resolve = given;
  });
  const source = parts[Symbol.asyncIterator]();
  const told: ToldError[] = [];
  let first: unknown;
  const end = (failure: unknown) => resolve({ failure, told });
  // Written out: a generator that is left before it has begun says nothing of it.
  const watched: AsyncIterableIterator<ExecutionResult> = {
    [Symbol.asyncIterator]: () => watched,
    async next() {
      try {
        const step = await source.next();
        if (step.done) end(first);
        else {
          first ??= failureIn(step.value);
          if (told.length < MOST_TOLD) told.push(...toldIn(step.value));
        }
        return step;
      } catch (error) {
        end(first ?? error);
        throw error;
      }
    },
    async return() {
      end(first);
      await source.return?.();
      return { done: true, value: undefined };
    },
  };
  return { parts: watched, outcome };
}

/**
 * Keeps the last answers, so that a way back shows at once what stood there, and forgets those before them: a tab that is
 * open for days does not grow with what has been looked at.
 *
 * What was changed here is seen here: a mutation that succeeds forgets them all, and what is shown is asked for anew,
 * whatever it is of. People change things seldom, and one right changes the counts of everything.
 */
import { type Exchange, makeOperation, type Operation, type OperationResult } from 'urql';
import { filter, map, merge, pipe, tap } from 'wonka';

/** @param most how many answers are kept. */
export function keepLast(most: number): Exchange {
  return ({ client, forward }) => {
    /** By the operation's key, the one that was used last at the end. */
    const kept = new Map<number, OperationResult>();
    /** What somebody waits for or shows. */
    const shown = new Map<number, Operation>();
    const askAnew = (operation: Operation) =>
      client.reexecuteOperation(
        makeOperation('query', operation, { ...operation.context, requestPolicy: 'network-only' }),
      );
    const keep = (key: number, result: OperationResult) => {
      kept.delete(key);
      kept.set(key, result);
      for (const oldest of kept.keys()) {
        if (kept.size <= most) break;
        kept.delete(oldest);
      }
    };
    const isKept = ({ kind, key, context }: Operation) =>
      kind === 'query' && context.requestPolicy !== 'network-only' && kept.has(key);

    return (operations) => {
      const fromKept = pipe(
        operations,
        filter(isKept),
        map((operation) => {
          const result = kept.get(operation.key) as OperationResult;
          shown.set(operation.key, operation);
          keep(operation.key, result);
          const stale = operation.context.requestPolicy === 'cache-and-network';
          if (stale) askAnew(operation);
          return { ...result, operation, stale };
        }),
      );
      const fromServer = pipe(
        operations,
        filter((operation) => !isKept(operation)),
        tap((operation) => {
          if (operation.kind === 'query') shown.set(operation.key, operation);
          else if (operation.kind === 'teardown') shown.delete(operation.key);
        }),
        forward,
        tap((result) => {
          const { operation, data, error } = result;
          if (operation.kind === 'query') {
            if (data != null && error === undefined) keep(operation.key, result);
          } else if (operation.kind === 'mutation' && data != null) {
            kept.clear();
            for (const each of shown.values()) askAnew(each);
          }
        }),
      );
      return merge([fromKept, fromServer]);
    };
  };
}

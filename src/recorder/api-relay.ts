/** The relay that an application's own process runs: from the outbox in its database to the API. */
import { ask } from '../client/request.ts';
import { codeOf, createDeliver } from '../outbox/deliver.ts';
import { type Relay, startRelay } from '../outbox/relay.ts';
import type { Queryable } from '../outbox/statement.ts';
import { ATTEMPT_MS, putResource, RECORD, troubleOf } from './api-send.ts';
import type { OpenEndpoint } from './endpoint.ts';
import { Outage } from './outage.ts';
import type { Report } from './sink.ts';

export interface ApiRelayOptions {
  /** Closed by the signal. */
  readonly endpoint: OpenEndpoint;
  readonly database: Queryable;
  /** How often it looks for markers of recorders that are gone. */
  readonly sweepIntervalMs: number;
  /** How long parcels are left to a relay that has taken them, and may be gone. */
  readonly claimMs: number;
  /** Ends requests under way: what they were to move stays in the outbox. */
  readonly signal: AbortSignal;
  readonly report: Report;
}

export function startApiRelay({
  endpoint,
  database,
  sweepIntervalMs,
  claimMs,
  signal,
  report,
}: ApiRelayOptions): Relay {
  const outage = new Outage(report);
  signal.addEventListener('abort', () => endpoint.close(), { once: true });
  const deliver = createDeliver({
    async record(events) {
      const operation = { query: RECORD, variables: { input: events } };
      await ask(endpoint, operation, { signal, timeoutMs: ATTEMPT_MS });
      outage.over();
    },
    put: (resource) => putResource(endpoint, resource, signal),
  });
  return startRelay({
    database,
    deliver,
    sweepIntervalMs,
    claimMs,
    // It stays in the outbox, with the reason, and is tried again.
    onRefused: (error) => report(error),
    onError: (error) => outage.failed(error),
    isPassing: (error) =>
      signal.aborted || troubleOf(error) === 'passing' || codeOf(error) === 'INTERNAL_SERVER_ERROR',
  });
}

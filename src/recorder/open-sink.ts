/** From a recorder's options to where its events go, and to who is told of failures. */
import { randomUUID } from 'node:crypto';
import type { PlacedEvent } from '../outbox/parcel.ts';
import { startApiRelay } from './api-relay.ts';
import { createApiSink } from './api-sink.ts';
import { openEndpoint } from './endpoint.ts';
import type { RecorderOptions } from './options.ts';
import { createOutboxSink } from './outbox-sink.ts';
import type { Report, Sink } from './sink.ts';

const ADMIN = 'group/admin';
const SWEEP_INTERVAL_MS = 5_000;

/** @param options that fit together. */
export function openSink(options: RecorderOptions, leaseMs: number, report: Report): Sink {
  const { url, token = null, database, as, claims, outbox, install } = options;
  const common = {
    leaseMs,
    recorder: options.id ?? randomUUID(),
    markerTimeoutMs: options.markerTimeoutMs ?? 5_000,
    writeTimeoutMs: options.writeTimeoutMs ?? 10_000,
    maxBufferedEvents: options.maxBufferedEvents ?? 10_000,
    fullTimeoutMs: options.fullTimeoutMs ?? 30_000,
    report,
  };
  if (database !== undefined) {
    const subject = as as string;
    const author = { subject, claims: claims ?? [subject, ADMIN] };
    return createOutboxSink({ ...common, database, author, install: false, startRelay: null });
  }
  if (outbox === undefined) return createApiSink({ ...common, url: url as string, token });
  const endpoint = openEndpoint(url as string, token);
  const sweepIntervalMs = Math.min(SWEEP_INTERVAL_MS, leaseMs / 3);
  return createOutboxSink({
    ...common,
    database: outbox,
    author: null,
    install: install ?? true,
    startRelay: (signal) =>
      startApiRelay({ endpoint, database: outbox, sweepIntervalMs, claimMs: leaseMs * 2, signal, report }),
  });
}

export function createReport(onError: RecorderOptions['onError'] = tellConsole): Report {
  return (error, unrecorded = []) => {
    // Whoever is told of failures must not be one for the function that is being recorded.
    const tell = async () => onError(error, unrecorded);
    tell().catch(() => {});
  };
}

function tellConsole(error: unknown, { length }: readonly PlacedEvent[]): void {
  console.error(length === 0 ? 'eventree:' : `eventree: ${length} events were not recorded:`, error);
}

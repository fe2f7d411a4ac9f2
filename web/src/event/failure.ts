/**
 * Whether an event tells of a failure: one rule for the panel of an event and for a tree. Pure.
 *
 * It is that of the filter's `is:failed`, which the server applies (FAILED in filter/event-filter.ts): the event is
 * HIGH or more, or it has an attribute `error`, of whatever value. It goes beyond that by the event's type: `*.failed`
 * and `call_lost` say it themselves. They are HIGH unless they are recorded or declared otherwise; only then the
 * filter passes over what is marked here. Who sees the envelope only has no attributes to judge by, here or there.
 */
import type { Severity } from '../../../src/client/index.ts';

export interface Telling {
  readonly type: { readonly name: string };
  readonly severity: Severity;
  /** The attribute; null or undefined where there is none, or not for this viewer. */
  readonly error?: unknown;
}

/** In a few words, why it stands out: `failed: Timeout`, `lost`, `critical`. Null for what went well. */
export function failureOf({ type, severity, error }: Telling): string | null {
  if (type.name === 'call_lost') return 'lost';
  if (typeof error === 'string' && error !== '') return `failed: ${error}`;
  if (error !== null && error !== undefined) return 'failed';
  if (type.name.endsWith('.failed')) return 'failed';
  if (severity === 'HIGH' || severity === 'CRITICAL') return severity.toLowerCase();
  return null;
}

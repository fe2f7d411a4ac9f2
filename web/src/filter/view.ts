/**
 * What is looked at: a journal, conditions and a time, all of it in the address, so that a view can be shared.
 *
 *     /?f=type:github.push&f=-actor:user/bot&last=24h
 *     /?from=2026-11-20T00:00:00.000Z&before=2026-11-21T00:00:00.000Z&journal=eu
 */
import { type Chip, parseChip, printChip } from './chip.ts';

export interface View {
  readonly journal: string;
  readonly chips: readonly Chip[];
  readonly time: TimeRange;
}

export type TimeRange =
  | { readonly is: 'all' }
  | { readonly is: 'last'; readonly text: string; readonly ms: number }
  /** RFC 3339; `before` is not within. */
  | { readonly is: 'between'; readonly from: string; readonly before: string };

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };
export const LASTS = ['15m', '1h', '24h', '7d', '30d'] as const;
export const ALL_TIME: TimeRange = { is: 'all' };

/** What of an address cannot be understood is left out. @param journal where it names none. */
export function readView(search: string, journal: string): View {
  const parameters = new URLSearchParams(search);
  return {
    journal: parameters.get('journal') ?? journal,
    chips: parameters
      .getAll('f')
      .filter((text) => text.trim() !== '')
      .map(parseChip),
    time: readTime(parameters),
  };
}

/** Without the question mark; empty for a view that says nothing. */
export function printView({ journal, chips, time }: View, usualJournal: string): string {
  const parameters = new URLSearchParams();
  for (const chip of chips) parameters.append('f', printChip(chip));
  if (time.is === 'last') parameters.set('last', time.text);
  if (time.is === 'between') {
    parameters.set('from', time.from);
    parameters.set('before', time.before);
  }
  if (journal !== usualJournal) parameters.set('journal', journal);
  return parameters.toString().replaceAll('%3A', ':').replaceAll('%2F', '/').replaceAll('%3E', '>');
}

export function lastRange(text: string): TimeRange {
  const [, count, unit] = /^(\d{1,5})([mhd])$/.exec(text) ?? [];
  const ms = Number(count) * (UNITS[unit ?? ''] ?? Number.NaN);
  return ms > 0 ? { is: 'last', text, ms } : ALL_TIME;
}

/** What was drawn over a chart. */
export function betweenRange(fromMs: number, beforeMs: number): TimeRange {
  const before = Math.max(beforeMs, fromMs + 1);
  return { is: 'between', from: new Date(fromMs).toISOString(), before: new Date(before).toISOString() };
}

/** The time that a text of the filter asks for, `last:24h`; null where it is none. */
export function typedTime(text: string): TimeRange | null {
  const [, last = ''] = /^last:(\w+)$/.exec(text.trim()) ?? [];
  const time = lastRange(last);
  return time.is === 'all' ? null : time;
}

function readTime(parameters: URLSearchParams): TimeRange {
  const last = parameters.get('last');
  if (last !== null) return lastRange(last);
  const [from, before] = [parameters.get('from'), parameters.get('before')].map(
    (text) => new Date(text ?? Number.NaN),
  );
  if (from === undefined || before === undefined || !(from < before)) return ALL_TIME;
  return { is: 'between', from: from.toISOString(), before: before.toISOString() };
}

/** How long ago something was: 5 min ago; the time itself on hover. */
import { useEffect, useState } from 'react';
import { formatFull } from '../ui/time.tsx';

const WORDS = new Intl.RelativeTimeFormat('en', { numeric: 'always', style: 'short' });
const UNITS = [
  ['year', 31_557_600_000],
  ['month', 2_629_800_000],
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
] as const;

export function formatAgo(at: number, now: number): string {
  const ms = now - at;
  const [unit, size] = UNITS.find(([, size]) => ms >= size) ?? [];
  return unit === undefined ? 'just now' : WORDS.format(-Math.floor(ms / size), unit);
}

/** The time, told anew now and then. */
export function useNow(everyMs: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

export function Ago({ at, now }: { readonly at: string; readonly now: number }) {
  return (
    <time dateTime={at} title={`${formatFull(at)} · ${at} (UTC)`}>
      {formatAgo(Date.parse(at), now)}
    </time>
  );
}

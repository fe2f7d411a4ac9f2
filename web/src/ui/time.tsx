/** Times as people here read them; UTC on hover. */

const TIME = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});
const DAY = new Intl.DateTimeFormat(undefined, { year: 'numeric', month: 'short', day: 'numeric' });
const FULL = new Intl.DateTimeFormat(undefined, {
  year: 'numeric',
  month: 'short',
  day: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  fractionalSecondDigits: 3,
  hourCycle: 'h23',
});

export function formatFull(iso: string | number): string {
  return FULL.format(new Date(iso));
}

export function formatDay(iso: string | number): string {
  return DAY.format(new Date(iso));
}

/** Today by the clock, other days by the date too. */
export function formatShort(iso: string | number, now = Date.now()): string {
  const date = new Date(iso);
  return isSameDay(date, new Date(now)) ? TIME.format(date) : `${DAY.format(date)} ${TIME.format(date)}`;
}

/** A length of time: 850 ms, 12.4 s, 3 min 20 s, 5 h 12 min, 3 d 4 h. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  const [large, small, units] =
    ms < 3_600_000
      ? [60_000, 1_000, ['min', 's']]
      : ms < 86_400_000
        ? [3_600_000, 60_000, ['h', 'min']]
        : [86_400_000, 3_600_000, ['d', 'h']];
  const rest = Math.floor((ms % (large as number)) / (small as number));
  const [first, second] = units as [string, string];
  return `${Math.floor(ms / (large as number))} ${first}${rest === 0 ? '' : ` ${rest} ${second}`}`;
}

export function Time({ at, full = false }: { readonly at: string; readonly full?: boolean }) {
  return (
    <time dateTime={at} title={`${at} (UTC)`}>
      {full ? formatFull(at) : formatShort(at)}
    </time>
  );
}

function isSameDay(a: Date, b: Date): boolean {
  return a.getFullYear() === b.getFullYear() && a.getMonth() === b.getMonth() && a.getDate() === b.getDate();
}

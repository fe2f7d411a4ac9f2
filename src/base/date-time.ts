/**
 * RFC 3339 date and time, to the millisecond. JavaScript's own Date.parse also takes "2026", "Nov 20"
 * and 30 February; a journal that guesses dates is worth nothing.
 */

// Years of four digits, from 0001 to the end of 9999: their text sorts as the time does.
export const EARLIEST_TIME = -62_135_596_800_000;
export const LATEST_TIME = 253_402_300_799_999;

const FORM = /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(\.\d{1,9})?([Zz]|[+-](\d{2}):(\d{2}))$/;

/** Milliseconds since 1970; digits beyond the millisecond are cut. Null for what is no date and time. */
export function parseDateTime(value: unknown): number | null {
  if (typeof value !== 'string') return null;
  const match = FORM.exec(value);
  if (match === null) return null;
  const [, year, month, day, hour, minute, second, fraction = '', zone, zoneHour = 0, zoneMinute = 0] = match;
  const [y, mo, d, h, mi, s] = [year, month, day, hour, minute, second].map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const local = new Date(0);
  local.setUTCFullYear(y, mo - 1, d);
  if (y === 0 || local.getUTCMonth() !== mo - 1 || local.getUTCDate() !== d) return null;
  if (h > 23 || mi > 59 || s > 59 || Number(zoneHour) > 23 || Number(zoneMinute) > 59) return null;
  const ms = Number(`${fraction}000`.slice(1, 4));
  const offsetMinutes = (Number(zoneHour) * 60 + Number(zoneMinute)) * (zone?.startsWith('-') ? -1 : 1);
  const time = local.setUTCHours(h, mi, s, ms) - offsetMinutes * 60_000;
  const inRange = time >= EARLIEST_TIME && time <= LATEST_TIME;
  return inRange ? time : null;
}

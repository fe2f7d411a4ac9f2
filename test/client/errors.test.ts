import { expect, test } from 'vitest';
import { delayBefore, EventreeClientError } from '../../src/client/errors.ts';

test('what asks to be tried later is tried no sooner', () => {
  const backoff = { firstMs: 200, mostMs: 1_000 };
  const error = (retryAfterMs?: number) =>
    new EventreeClientError('RATE_LIMITED', 'Later.', { facts: { retryAfterMs } });
  for (let attempt = 0; attempt < 5; attempt++) {
    expect(delayBefore(attempt, backoff, error())).toBeLessThan(1_000);
    const delayMs = delayBefore(attempt, backoff, error(5_000));
    expect(delayMs).toBeGreaterThanOrEqual(5_000);
    expect(delayMs).toBeLessThan(6_000);
    // Whoever asks for a year is not taken at their word.
    expect(delayBefore(attempt, backoff, error(1e12))).toBeLessThan(61_000);
  }
});

test('an error with further facts is otherwise the same', () => {
  const other = new EventreeClientError('NOT_FOUND', 'Nor this.');
  const cause = new Error('why');
  const error = new EventreeClientError('FORBIDDEN', 'No.', { facts: { index: 1 }, others: [other], cause });
  const more = error.with({ ids: ['a'] });
  expect(more).toMatchObject({ code: 'FORBIDDEN', message: 'No.', facts: { index: 1, ids: ['a'] }, cause });
  expect(more.all).toEqual([more, other]);
});

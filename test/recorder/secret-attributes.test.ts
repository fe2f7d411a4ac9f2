import { expect, test } from 'vitest';
import { BUILT_IN } from '../../src/events/builtin.ts';
import { safeContents } from '../../src/recorder/draft.ts';
import { createRedactor } from '../../src/recorder/redact.ts';
import { unique, worldForFile } from '../support/world.ts';
import { eventsIn, recorderOf } from './support/recording.ts';

const world = worldForFile();

/** Declares attributes of a kind each, and gives them to an event type. */
async function declare(type: string, kinds: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, kind] of Object.entries(kinds)) {
    await world().ask(
      'mutation ($input: DefineAttributeInput!) { defineAttribute(input: $input) { name } }',
      { input: { name, kind, indexed: false } },
    );
  }
  const attributes = Object.keys(kinds).map((name) => ({ name }));
  await world().ask('mutation ($input: DefineEventTypeInput!) { defineEventType(input: $input) { name } }', {
    input: { name: type, category: 'ACTION', attributes },
  });
}

test('an attribute that is named like a secret is a stub or left out, and its event is recorded', async () => {
  await declare('payment', {
    iban: 'STRING',
    token: 'STRING',
    pin: 'INTEGER',
    otp: 'FLOAT',
    pass: 'BOOLEAN',
    secret_until: 'DATETIME',
    credential: 'RESOURCE',
    cookies: 'JSON',
    amount: 'INTEGER',
  });
  const journal = unique('journal');
  const { recorder } = await recorderOf(world(), { journal, secrets: ['iban'], private: ['iban'] });
  const attributes = {
    iban: 'XYZZY',
    token: 'XYZZY',
    pin: 4711,
    otp: 47.11,
    pass: true,
    secret_until: '2026-11-20T23:18:04.123Z',
    credential: 'key/XYZZY',
    cookies: { sid: 'XYZZY' },
    amount: 3,
  };
  const payment = { type: 'payment', attributes };
  await recorder.call('pay', async (call) => {
    call.record({ ...payment, children: [payment] });
    await call.group(payment, () => {});
  });
  await recorder.record(payment);
  await recorder.recordAlone(payment);
  await recorder.flush();
  const seen = (await eventsIn(world(), {}, journal)).filter(({ type }) => type.name === 'payment');
  expect(seen.map((event) => [event.attributes, event.privatePayload])).toEqual(
    Array(5).fill([{ iban: '[redacted]', token: '[redacted]', amount: 3 }, null]),
  );
});

test('an attribute that is named like a secret is none of what is told of a call either', () => {
  const redactor = createRedactor({ secrets: ['iban'] });
  const given = { iban: 'DE89', password: 'hunter2', pin: 1, zone: 'a' };
  expect(safeContents({ attributes: given }, redactor)).toEqual({
    attributes: { iban: '[redacted]', password: '[redacted]', zone: 'a' },
  });
  // What has been taken out before stays so, by whatever name.
  expect(safeContents({ attributes: { iban: '[private]' } }, redactor)).toEqual({
    attributes: { iban: '[redacted]' },
  });
});

test('no built-in attribute is taken for a secret by its name', () => {
  const given = Object.fromEntries(Object.keys(BUILT_IN.attributes).map((name) => [name, 1]));
  expect(safeContents({ attributes: given }, createRedactor())).toEqual({ attributes: given });
});

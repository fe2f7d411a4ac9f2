import { describe, expect, test } from 'vitest';
import { type CallSummary, keepNotable } from '../../src/recorder/index.ts';
import { unique, worldForFile } from '../support/world.ts';
import { balanceOf, bankDatabase, eventsIn, outlineOf, recorderOf, transact } from './support/recording.ts';

const note = (message: string, more: object = {}) => ({ type: 'note', message, ...more });

describe('calls worth keeping', () => {
  const world = worldForFile();
  const open = async (options: object = {}) => {
    const journal = unique('journal');
    const made = await recorderOf(world(), { journal, ...options });
    return { ...made, events: () => eventsIn(world(), {}, journal) };
  };
  const markersLeft = async () =>
    (await world().db.query('select count(*)::integer as count from eventree_outbox.marker')).rows[0].count;

  test('are by a policy those that took long, failed, or did something', async () => {
    const { recorder, events } = await open({ keep: keepNotable({ quickerThanMs: 500 }) });
    const slow = () => new Promise((resolve) => setTimeout(resolve, 600));
    await recorder.call('quick', () => 1);
    await recorder.call('slow', slow);
    await recorder.call('failing', () => Promise.reject(new Error('no'))).catch(() => {});
    await recorder.call('doing', () => recorder.record(note('a')));
    await recorder.flush();
    expect((await events()).map(({ attributes: { function: name } }) => name)).toEqual([
      'slow',
      'failing',
      'doing',
      undefined,
    ]);
    expect(await markersLeft()).toBe(0);
  });

  test('are judged by what is known of them, those within others not by themselves', async () => {
    const summaries: CallSummary[] = [];
    const { recorder, events } = await open({
      keep(summary: CallSummary) {
        summaries.push(summary);
        return true;
      },
    });
    await recorder
      .call('a', async (call) => {
        call.record(note('dropped'));
        call.record(note('kept', { always: true }));
        await recorder.call('nested', () => 1);
        throw new Error('no');
      })
      .catch(() => {});
    await recorder.call('b', { keep: () => false }, () => 1);
    await recorder.flush();
    expect(summaries).toEqual([{ function: 'a', elapsedMs: expect.any(Number), failed: true, events: 2 }]);
    expect(outlineOf(await events())).toEqual(['call', '  kept', '  call']);
  });

  test('are all of them where the policy fails, which is reported', async () => {
    const odd = new Error('I cannot tell');
    const { recorder, events, reported } = await open({
      keep() {
        throw odd;
      },
    });
    await recorder.call('a', () => 1);
    await recorder.flush();
    expect(await events()).toHaveLength(1);
    expect(reported.splice(0)).toEqual([{ error: odd, unrecorded: [] }]);
  });

  test('are those below which something was committed, whatever a policy says', async () => {
    const bank = await bankDatabase();
    const { recorder, events } = await open({ outbox: bank, keep: () => false });
    await recorder
      .call('a', async (call) => {
        await transact(bank, async (client) => {
          await client.query(`update account set balance = 1 where name = 'john'`);
          await call.recordIn(client, [note('committed')]);
        });
        throw new Error('no');
      })
      .catch(() => {});
    await recorder.call('b', () => 1);
    await recorder.flush();
    expect(outlineOf(await events())).toEqual(['call', '  committed']);
    expect(await balanceOf(bank, 'john')).toBe(1);
    expect((await bank.query('select from eventree_outbox.marker')).rowCount).toBe(0);
  });
});

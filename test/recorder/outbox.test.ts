import type pg from 'pg';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { createRecorder, installOutbox, type RecorderOptions } from '../../src/recorder/index.ts';
import { migratedDatabase } from '../support/database.ts';
import { databaseUrlThrough, socketOf, startTcpProxy } from '../support/tcp-proxy.ts';
import { unique, worldForFile } from '../support/world.ts';
import {
  balanceOf,
  bankDatabase,
  eventsIn,
  outlineOf,
  poolOf,
  recorderOf,
  recorderWith,
  transact,
} from './support/recording.ts';

const note = (message: string, more: object = {}) => ({ type: 'note', message, ...more });
const pay = (client: pg.PoolClient) =>
  client.query(`update account set balance = balance + 1 where name = 'john'`);
const codeOf = (code: string) => expect.objectContaining({ code });

describe('an outbox in the application’s database', () => {
  const world = worldForFile();
  const open = async (options: Partial<RecorderOptions> = {}) => {
    const journal = unique('journal');
    const bank = await bankDatabase();
    const made = await recorderOf(world(), { outbox: bank, journal, leaseMs: 1_000, ...options });
    const rows = async (table: string) => (await bank.query(`select from eventree_outbox.${table}`)).rowCount;
    return { ...made, bank, rows, events: () => eventsIn(world(), {}, journal) };
  };

  test('is made at first use, and its events are moved to the API', async () => {
    const { recorder, events, rows } = await open();
    await recorder.call('a', async (call) => {
      call.record(note('b'));
      await call.group(note('c'), (group) => void group.record(note('d')));
    });
    await recorder.record(note('e'));
    await recorder.flush();
    expect(outlineOf(await events())).toEqual(['call', '  b', '  c', '    d', 'e']);
    expect([await rows('parcel'), await rows('marker')]).toEqual([0, 0]);
  });

  test('is not made where it is said to be there', async () => {
    const journal = unique('journal');
    const bank = await bankDatabase();
    const { recorder, reported } = await recorderOf(world(), { outbox: bank, journal, install: false });
    await recorder.call('a', () => 1);
    expect(reported.splice(0).length).toBeGreaterThan(0);
    await installOutbox(bank);
    await recorder.flush();
    expect(await eventsIn(world(), {}, journal)).toHaveLength(1);
    reported.splice(0);
  });

  test('takes a call within the transaction of what it does', async () => {
    const { recorder, bank, events, rows } = await open();
    const paid = (name: string, fails: boolean) =>
      transact(bank, async (client) => {
        await recorder.call(name, { transaction: client }, async (call) => {
          await pay(client);
          call.record(note(`${name} paid`));
          call.record(note(`${name} tried`, { always: true }));
        });
        if (fails) throw new Error('rolled back');
      });
    await paid('good', false);
    await expect(paid('bad', true)).rejects.toThrow('rolled back');
    expect(await balanceOf(bank, 'john')).toBe(1);
    await vi.waitUntil(async () => (await rows('marker')) === 0, { timeout: 10_000 });
    await recorder.flush();
    const seen = await events();
    expect(outlineOf(seen)).toEqual(['call', '  good paid', '  good tried', 'call', '  bad tried']);
    expect(seen[3]?.attributes).toEqual({
      function: 'bad',
      elapsed_ms: expect.any(Number),
      error: 'RolledBack',
      error_value: expect.stringContaining('rolled back'),
    });
  });

  test('does not take a transaction that goes on for one that was rolled back', async () => {
    const { recorder, bank, events } = await open();
    await transact(bank, async (client) => {
      await recorder.call('long', { transaction: client }, () => pay(client).then(() => {}));
      // Meanwhile the recorder looks at its markers several times.
      await new Promise((resolve) => setTimeout(resolve, 1_200));
    });
    await recorder.flush();
    const seen = await events();
    expect(seen.map(({ attributes }) => [attributes.function, attributes.error])).toEqual([
      ['long', undefined],
    ]);
  });

  test('hangs what was committed below calls and groups that are not kept where the next above them is', async () => {
    const { recorder, bank, events, reported } = await open();
    const { db } = world();
    const enable = (isEnabled: boolean) =>
      db.query(
        `with changed as (update event_type set enabled = $1 where name in ('call', 'watchdog'))
         update installation set registry_version = registry_version + 1`,
        [isEnabled],
      );
    onTestFinished(async () => void (await enable(true)));
    await enable(false);
    await recorder.call('a', (call) =>
      call.group(note('kept'), (kept) =>
        kept.group({ type: 'watchdog' }, (group) =>
          transact(bank, async (client) => void (await group.recordIn(client, [note('below')]))),
        ),
      ),
    );
    await recorder.call('b', (call) =>
      transact(bank, async (client) => void (await call.recordIn(client, [note('alone')]))),
    );
    await recorder.flush();
    expect(outlineOf(await events()).toSorted()).toEqual(['  below', 'alone', 'kept']);
    expect(reported).toEqual([]);
  });

  test('refuses a call in a transaction that goes on behind the call around it: it would be recorded nowhere', async () => {
    const { recorder, bank, events } = await open();
    let inner: Promise<unknown> = Promise.resolve();
    let goOn = () => {};
    const gate = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    await recorder.call(
      'outer',
      () =>
        new Promise<void>((begun) => {
          inner = transact(bank, (client) =>
            recorder.call('inner', { transaction: client }, async () => {
              await pay(client);
              begun();
              await gate;
            }),
          );
          inner.catch(() => {});
        }),
    );
    goOn();
    await expect(inner).rejects.toMatchObject({ code: 'UNRECORDED' });
    expect(await balanceOf(bank, 'john')).toBe(0);
    await recorder.flush();
    expect((await events()).map(({ attributes }) => attributes.function)).toEqual(['outer', 'inner']);
  });

  test('refuses it too where the call around it ends while it is written', async () => {
    const { recorder, bank } = await open();
    let outer: Promise<unknown> = Promise.resolve();
    let end = () => {};
    const writing = transact(bank, async (client) => {
      const transaction = {
        async query(text: string, values: unknown[]) {
          // Looks which groups of it are marked.
          if (/^\s*select\b.* from eventree_outbox.marker/.test(text)) {
            end();
            await outer;
          }
          return client.query(text, values);
        },
      };
      await new Promise<void>((done, failed) => {
        outer = recorder.call('outer', () => {
          const inner = recorder.call('inner', { transaction }, (call) =>
            call.group(note('group'), (group) => group.recordIn(transaction, [note('in it')])),
          );
          inner.then(() => done(), failed);
          return new Promise<void>((resolve) => {
            end = resolve;
          });
        });
      });
    });
    await expect(writing).rejects.toMatchObject({ code: 'UNRECORDED' });
    await recorder.flush();
  });

  test('goes on behind what the database refuses for good, which it reports', async () => {
    const { recorder, events, reported } = await open();
    // What has no JSON, and so no type that allows it: applications in JavaScript have none.
    await recorder.record({ ...note('a'), actor: 1n as unknown as string });
    await recorder.call('b', () => {});
    await recorder.flush();
    expect((await events()).map(({ attributes }) => attributes.function)).toEqual(['b']);
    expect(reported.splice(0).at(-1)?.unrecorded).toMatchObject([{ message: 'a' }]);
    expect(recorder.stats()).toMatchObject({ buffered: 0, refused: 1 });
  });

  test('takes no id that is none', async () => {
    const { recorder } = await open();
    await expect(recorder.record({ ...note('a'), id: 'order-17' })).rejects.toMatchObject({
      code: 'BAD_INPUT',
    });
  });

  test('puts a resource once, also where its events are refused and tried again', async () => {
    const { recorder, bank, reported } = await open();
    const ref = unique('page').replace('-', '/');
    const viewers = (viewData: string[]) => [{ ref, acl: { viewData } }];
    await transact(bank, async (client) => {
      const event = { type: unique('undeclared'), resource: ref };
      await recorder.record(event, { transaction: client, resources: viewers(['user/jane']) });
    });
    await vi.waitUntil(() => reported.length > 0, { timeout: 10_000 });
    await transact(bank, async (client) => {
      await recorder.record(
        { type: 'update', resource: ref },
        { transaction: client, resources: viewers([]) },
      );
    });
    await recorder.flush();
    await bank.query('update eventree_outbox.parcel set retry_at = null');
    reported.splice(0);
    await recorder.record(note('nudge'));
    await vi.waitUntil(() => reported.length > 0, { timeout: 10_000 });
    const { rows } = await world().db.query('select view_data from resource where ref = $1', [ref]);
    expect(rows).toEqual([{ view_data: [] }]);
    // Until then it is tried again, and reported.
    await recorder.close();
    reported.splice(0);
  });

  test('takes a call that failed outside of its transaction, which is rolled back', async () => {
    const { recorder, bank, events, rows } = await open();
    const failing = transact(bank, (client) =>
      recorder.call('a', { transaction: client }, async (call) => {
        await pay(client);
        call.record(note('paid'));
        call.record(note('tried', { always: true }));
        throw new RangeError('no');
      }),
    );
    await expect(failing).rejects.toThrow(RangeError);
    await recorder.flush();
    expect(outlineOf(await events())).toEqual(['call', '  tried']);
    expect((await events())[0]?.attributes.error).toBe('RangeError');
    expect(await rows('marker')).toBe(0);
  });

  test('fails a transaction that it cannot be written in: it must not be committed without its events', async () => {
    const { recorder, bank, events } = await open();
    const failing = transact(bank, (client) =>
      recorder.call('a', { transaction: client }, async () => {
        await pay(client);
        // The application goes on as if nothing had happened.
        await client.query('select 1 / 0').catch(() => {});
      }),
    );
    await expect(failing).rejects.toThrow(codeOf('UNRECORDED'));
    expect(await balanceOf(bank, 'john')).toBe(0);
    await recorder.flush();
    expect((await events()).map(({ attributes: { error } }) => error)).toEqual(['RecorderError']);
  });

  test('takes events in a transaction, whatever becomes of the call', async () => {
    const { recorder, bank, events, rows } = await open();
    const failing = recorder.call('a', async (call) => {
      call.record(note('dropped'));
      await transact(bank, async (client) => {
        await pay(client);
        const ids = await call.recordIn(client, [
          note('committed', { children: [note('its child')] }),
          note('too'),
        ]);
        expect(ids).toHaveLength(2);
      });
      await transact(bank, async (client) => {
        await call.recordIn(client, [note('rolled back')]);
        throw new Error('back');
      }).catch(() => {});
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    await recorder.flush();
    expect(outlineOf(await events())).toEqual(['call', '  committed', '    its child', '  too']);
    expect(await rows('marker')).toBe(0);
  });

  test('keeps groups below which something was committed, and no others', async () => {
    const { recorder, bank, events, rows } = await open();
    const failing = recorder.call('a', async (call) => {
      const group = (name: string, commits: boolean) =>
        call
          .group(note(name), (outer) =>
            outer.group(note(`${name} inner`), async (inner) => {
              inner.record(note(`${name} dropped`));
              await transact(bank, async (client) => {
                await recorder.record(note(`${name} in transaction`), { transaction: client });
                if (!commits) throw new Error('back');
              });
              throw new Error('failed');
            }),
          )
          .catch(() => {});
      await group('x', true);
      await group('y', false);
      throw new Error('no');
    });
    await failing.catch(() => {});
    await recorder.flush();
    expect(outlineOf(await events())).toEqual(['call', '  x', '    x inner', '      x in transaction']);
    expect(await rows('marker')).toBe(0);
  });

  test.each([true, false])('does the same for a call that is not marked (marker: %s)', async (marker) => {
    const { recorder, bank, events, rows } = await open();
    for (const name of ['committed', 'rolled back']) {
      await recorder
        .call(name, { marker }, async (call) => {
          await transact(bank, async (client) => {
            await call.recordIn(client, [note(`${name}!`)]);
            if (name === 'rolled back') throw new Error('no');
          });
        })
        .catch(() => {});
    }
    await recorder.flush();
    expect(outlineOf(await events()).toSorted()).toEqual(['  committed!', 'call', 'call']);
    expect(await rows('marker')).toBe(0);
  });

  test('takes no call for lost that is not marked and goes on behind a transaction', async () => {
    const { recorder, bank, events } = await open({ leaseMs: 2_000 });
    await recorder.call('long', { marker: false }, async (call) => {
      await transact(bank, (client) => call.recordIn(client, [note('committed')]));
      await new Promise((resolve) => setTimeout(resolve, 5_000));
    });
    await recorder.flush();
    expect(outlineOf(await events())).toEqual(['call', '  committed']);
  });

  test('takes a call within a call in a transaction of its own', async () => {
    const { recorder, bank, events, rows } = await open();
    await recorder
      .call('outer', async (outer) => {
        outer.record(note('dropped'));
        const inner = (name: string, commits: boolean) =>
          transact(bank, async (client) => {
            await recorder.call(name, { transaction: client }, async (call) => {
              call.record(note(`${name} did`));
              await call.recordIn(client, [note(`${name} wrote`)]);
            });
            if (!commits) throw new Error('back');
          }).catch(() => {});
        await inner('x', true);
        await inner('y', false);
        throw new Error('no');
      })
      .catch(() => {});
    await recorder.flush();
    const seen = await events();
    expect(outlineOf(seen).toSorted()).toEqual(['    x did', '    x wrote', '  call', 'call']);
    expect(seen.map(({ attributes }) => attributes.function).filter(Boolean)).toEqual(['outer', 'x']);
    expect(await rows('marker')).toBe(0);
  });

  test('takes a group whose transaction is committed after its call has ended', async () => {
    const { recorder, bank, events, rows } = await open();
    const client = await bank.connect();
    await client.query('begin');
    const failing = recorder.call('a', (call) =>
      call.group(note('group'), async (group) => {
        await group.recordIn(client, [note('late')]);
        throw new Error('no');
      }),
    );
    await failing.catch(() => {});
    await client.query('commit');
    client.release();
    await vi.waitUntil(async () => (await rows('marker')) === 0, { timeout: 10_000 });
    await recorder.flush();
    expect(outlineOf(await events())).toEqual(['call', '  group', '    late']);
  });

  test('puts resources with the events, in the transaction', async () => {
    const { recorder, bank } = await open();
    const ref = `account/${unique('a')}`;
    const create = (name: string, commits: boolean) =>
      transact(bank, async (client) => {
        await recorder.call('open', (call) =>
          call.recordIn(
            client,
            [note('opened', { resource: ref })],
            [{ ref, name, acl: { owners: ['user/jane'] } }],
          ),
        );
        if (!commits) throw new Error('back');
      }).catch(() => {});
    await create('never', false);
    await create('savings', true);
    await recorder.flush();
    const { resource } = await world().ask(
      'query ($ref: ResourceRef!) { resource(ref: $ref) { name acl { owners } } }',
      {
        ref,
      },
    );
    expect(resource).toEqual({ name: 'savings', acl: { owners: ['user/jane'] } });
  });

  test('outlives that its idle connections are cut, and tells of it once', async () => {
    const { recorder, bank, events, reported } = await open();
    const listeners = bank.listenerCount('error');
    await Promise.all([1, 2, 3].map(() => bank.query('select pg_sleep(0.05)')));
    await recorder.call('before', () => 1);
    await recorder.flush();
    const other = poolOf(String(bank.options.connectionString), 1);
    const cut = async () => {
      let removed = 0;
      const count = () => void removed++;
      bank.on('remove', count);
      const { rowCount } = await other.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'`,
      );
      // Until the pool knows of each: one that it took for alive would be handed to whoever asks next.
      await vi.waitUntil(() => removed >= Number(rowCount), { timeout: 10_000 });
      bank.off('remove', count);
    };
    for (const name of ['one', 'two']) {
      await cut();
      await vi.waitUntil(() => reported.length > 0, { timeout: 10_000 });
      await recorder.call(name, () => 1);
      await recorder.flush();
      const codes = reported.splice(0).map(({ error }) => (error as { code?: string }).code);
      expect(codes).toContain('57P01');
    }
    expect((await events()).map(({ attributes }) => attributes.function)).toEqual(['before', 'one', 'two']);

    await recorder.close();
    expect(bank.listenerCount('error')).toBe(listeners - 1);
    reported.splice(0);
  });

  test('records by itself what it could not write at the time', { timeout: 60_000 }, async () => {
    const journal = unique('journal');
    const bank = await bankDatabase();
    const { url } = { url: String(bank.options.connectionString) };
    const proxy = await startTcpProxy(socketOf(url));
    const through = poolOf(databaseUrlThrough(proxy, url));
    through.on('error', () => {});
    const { recorder, reported } = await recorderOf(world(), { outbox: through, journal });
    await recorder.call('before', () => 1);
    proxy.refuse(true);
    expect(await recorder.call('during', () => 'done')).toBe('done');
    expect(recorder.stats().buffered).toBe(1);
    expect(reported.splice(0).length).toBeGreaterThan(0);
    proxy.refuse(false);
    await recorder.call('after', () => 1);
    await recorder.flush();
    expect(recorder.stats()).toEqual({ calls: 0, buffered: 0, refused: 0 });
    const names = (await eventsIn(world(), {}, journal)).map(({ attributes }) => attributes.function);
    expect(names.toSorted()).toEqual(['after', 'before', 'during']);
    reported.splice(0);
  });
});

describe('Eventree’s own database', () => {
  const world = worldForFile();

  test('is written to as somebody, and its servers move it', async () => {
    const journal = unique('journal');
    const database = poolOf(world().databaseUrl);
    const { recorder } = recorderWith({ database, as: 'user/bank', journal });
    await recorder.call('a', { actor: 'user/jane' }, async (call) => {
      call.record(note('b'));
      await transact(database, (client) => call.recordIn(client, [note('c')]));
    });
    await recorder.flush();
    const { events } = await world().ask(
      'query ($journal: String!) { events(journal: $journal, order: OLDEST_FIRST) { nodes { recordedBy actor } } }',
      { journal },
    );
    expect(events.nodes).toEqual(Array(3).fill({ recordedBy: 'user/bank', actor: 'user/jane' }));
  });

  test('is safe to leave at once: what was written is moved later', async () => {
    const { url, drop } = await migratedDatabase();
    onTestFinished(drop);
    const database = poolOf(url);
    const recorder = createRecorder({ database, as: 'user/bank' });
    await recorder.call('a', () => 1);
    await recorder.close();
    expect((await database.query('select from eventree_outbox.parcel')).rowCount).toBe(1);
  });
});

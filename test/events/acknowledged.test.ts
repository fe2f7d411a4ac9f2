/** Acknowledged means committed, announced means committed, and what is rolled back leaves no hole. */
import { expect, test, vi } from 'vitest';
import { openWorld, type World } from '../support/world.ts';
import { newJournal, recorderOf } from './support/recorder.ts';

const STREAM = `subscription ($journal: String!) {
  eventStream(journal: $journal, from: BEGINNING) { live events { message position } }
}`;

/** From now on a commit that changes this journal fails while there is a row in \`breaking\`. */
async function breakCommits(world: World): Promise<void> {
  await world.db.query(`
    create table breaking (flag int);
    create table seen (synchronous_commit text);
    create function refuse() returns trigger language plpgsql as $$ begin
      insert into seen values (current_setting('synchronous_commit'));
      if exists (select from breaking) then raise exception 'this commit fails'; end if;
      return null;
    end $$;
    create constraint trigger at_commit after update on journal
      deferrable initially deferred for each row execute function refuse()`);
}

async function isWaitingForLock(world: World): Promise<boolean> {
  const { rowCount } = await world.db.query(
    "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
  );
  return rowCount !== 0;
}

test('nothing is acknowledged, read or announced before it is committed', async () => {
  const world = await openWorld();
  const { one, journal: all } = recorderOf(() => world);
  const journal = newJournal();
  await one({ journal, type: 'note', message: 'first' });
  const stream = world.watch(STREAM, { journal });
  await stream.until(({ data }) => data.eventStream.live);

  const holder = await world.db.connect();
  await holder.query('begin');
  await holder.query('select from journal where name = $1 for update', [journal]);
  let isAcknowledged = false;
  let isAnnounced = false;
  const recording = one({ journal, type: 'note', message: 'second' }).finally(() => {
    isAcknowledged = true;
  });
  const announced = stream.next().finally(() => {
    isAnnounced = true;
  });
  await vi.waitUntil(() => isWaitingForLock(world), { timeout: 10_000, interval: 5 });
  expect(await all(journal)).toHaveLength(1);
  expect([isAcknowledged, isAnnounced]).toEqual([false, false]);
  await holder.query('rollback');
  holder.release();

  const { id, position } = await recording;
  // What another connection sees is committed.
  const { rows } = await world.db.query('select id, position::int from event where id = $1', [id]);
  expect(rows).toEqual([{ id, position }]);
  expect((await announced).data.eventStream.events).toEqual([{ message: 'second', position: 2 }]);
});

test('what fails at its commit is neither acknowledged nor announced, and leaves no hole', async () => {
  const world = await openWorld({ environment: { EVENTREE_LOG_LEVEL: 'silent' } });
  const { one, refusal, journal: all } = recorderOf(() => world);
  await breakCommits(world);
  const journal = newJournal();
  await one({ journal, type: 'note', message: 'first' });
  const stream = world.watch(STREAM, { journal });
  await stream.until(({ data }) => data.eventStream.live);

  await world.db.query('insert into breaking values (1)');
  for (let tries = 0; tries < 3; tries++) {
    const input = [1, 2, 3].map((nth) => ({
      journal,
      type: 'note',
      message: `lost ${nth}`,
      resource: 'page/lost',
    }));
    expect(await refusal(input)).toMatchObject({ code: 'INTERNAL_SERVER_ERROR' });
  }
  await world.db.query('delete from breaking');
  expect(await all(journal)).toHaveLength(1);
  const { resource } = await world.ask('{ resource(ref: "page/lost") { ref } }');
  expect(resource).toBeNull();

  await one({ journal, type: 'note', message: 'second' });
  const [message] = await stream.until(({ data }) => data.eventStream.events.length > 0);
  expect(message?.data.eventStream.events).toEqual([{ message: 'second', position: 2 }]);
});

test('one that fails at its commit takes none of its neighbours with it', async () => {
  const world = await openWorld({ environment: { EVENTREE_LOG_LEVEL: 'silent' } });
  const { one, send } = { ...recorderOf(() => world), ...world };
  // What no check foresees: the database refuses an event by its message.
  await world.db.query("alter table event add constraint odd check (message <> 'odd')");
  const journal = newJournal();
  const query = `mutation ($input: RecordEventInput!) { recordEvent(input: $input) { event { position } } }`;
  const answers = await Promise.all(
    Array.from({ length: 30 }, (_, nth) =>
      send(query, { input: { journal, type: 'note', message: nth % 5 === 4 ? 'odd' : `${nth}` } }),
    ),
  );
  const codes = answers.map(({ errors }) => errors?.[0]?.extensions.code ?? 'recorded');
  expect(codes).toEqual(
    Array.from({ length: 30 }, (_, nth) => (nth % 5 === 4 ? 'INTERNAL_SERVER_ERROR' : 'recorded')),
  );
  const positions = answers.flatMap(({ data }) =>
    data?.recordEvent ? [data.recordEvent.event.position] : [],
  );
  expect(positions.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 24 }, (_, nth) => nth + 1));
  expect((await one({ journal, type: 'note' })).position).toBe(25);
});

test('a commit waits for the disk, whatever the database is set to', async () => {
  const world = await openWorld();
  await breakCommits(world);
  await world.db.query(
    `alter database "${new URL(world.databaseUrl).pathname.slice(1)}" set synchronous_commit = off`,
  );
  const server = await world.addServer();
  const { one } = recorderOf(() => world);
  await world.db.query('delete from seen');
  const { id } = await one({ type: 'note', resource: 'page/1' }, { server });
  await world.ask(
    `mutation { setResourceAcl(ref: "page/1", acl: { viewData: ["user/ann"] }) { ref } }`,
    {},
    { server },
  );
  const { rows } = await world.db.query('select distinct synchronous_commit from seen');
  expect(id).toBeDefined();
  expect(rows).toEqual([{ synchronous_commit: 'on' }]);
});

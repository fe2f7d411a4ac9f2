/**
 * Rights that come and go while two nodes record as fast as they go: what is recorded after a right was lost
 * is not delivered, what is recorded while it is held is, and every loss is said.
 */
import { expect, test } from 'vitest';
import { pause } from '../../src/base/retry.ts';
import { type Follower, openCursors, readLog, startFollower } from '../support/follower.ts';
import { faultsOf, noOutcomes } from '../support/history.ts';
import { RECORD, startLoad } from '../support/load.ts';
import { startRedis } from '../support/redis.ts';
import { type RightsChange, rightsFaultsOf, showPages } from '../support/rights.ts';
import { addressOf, startTcpProxy } from '../support/tcp-proxy.ts';
import { openWorld } from '../support/world.ts';
import { limitMs, SCALE } from './support/scale.ts';

const REVOCATIONS = SCALE.revocations;
const SET_ACL = `mutation ($ref: ResourceRef!, $acl: AclInput!) { setResourceAcl(ref: $ref, acl: $acl) { ref } }`;
const PAGES = ['page/0', 'page/1', 'page/2', 'page/3', 'page/4'];
const CLAIMS = ['user/ann', 'user/ben', 'user/cat', 'group/guests'];
const FIRST_CLAIM = 'user/ann';

type Asked = Omit<RightsChange, 'position'>;

test(`rights are revoked ${REVOCATIONS} times under load on two nodes: not one event past the revocation, none missing before`, {
  timeout: limitMs(90_000, 400_000),
}, async () => {
  const redis = await startRedis();
  const world = await openWorld({ servers: 2, environment: { REDIS_URL: redis.url } });
  const server = (nth: number) => world.servers[nth % 2] ?? expect.fail();
  await showPages(world, PAGES, FIRST_CLAIM);
  const positionOf = await openCursors(world.db);
  const proxy = await startTcpProxy(addressOf(server(0).url));
  const followers: { readonly claim: string; readonly follower: Follower }[] = [];
  for (const claim of CLAIMS) {
    const [kind, name = ''] = claim.split('/');
    const token = await world.token(kind === 'user' ? { subject: name } : { subject: 'dan', groups: [name] });
    for (const [how, options] of [
      ['by ws on the first node', { url: () => server(0).url }],
      ['by sse on the second node', { url: () => server(1).url, by: 'sse' }],
      ['by ws, cut off again and again', { url: () => `http://127.0.0.1:${proxy.port}` }],
    ] as const) {
      const follower = startFollower(world, positionOf, { name: `${claim} ${how}`, token, ...options });
      followers.push({ claim, follower });
    }
  }
  await Promise.all(followers.map(({ follower }) => follower.until(({ live }) => live)));

  const outcomes = noOutcomes();
  const load = startLoad({
    outcomes,
    writers: 4,
    pauseMs: 5,
    mostEvents: 10,
    send: (input, writer) => world.send(RECORD, { input }, { server: server(writer) }),
  });
  // Before its first event a resource has no place in the journal in which its rights could change.
  await load.more(200);

  const asked: Asked[] = [];
  async function set(resource: string, claims: string[], node = server(0)): Promise<void> {
    asked.push({ resource, claims, askedAtMs: performance.now() });
    await world.ask(SET_ACL, { ref: resource, acl: { viewData: claims } }, { server: node });
  }
  let revocations = 0;
  async function change(resource: string, first: number): Promise<void> {
    let held = [FIRST_CLAIM];
    for (let nth = first; revocations < REVOCATIONS; nth++) {
      const claims = CLAIMS.filter(() => Math.random() < 0.5);
      if (String(claims) === String(held)) continue;
      if (held.some((claim) => !claims.includes(claim))) revocations++;
      held = claims;
      await set(resource, claims, server(nth));
      if (nth % 5 === 0) proxy.cutOne();
      // Some rights change so fast that they are back before the news is out, others stay for a while.
      await pause(Math.random() * 30 * first);
    }
    if (held.length > 0) await set(resource, []);
  }
  await Promise.all(PAGES.map(change));
  // From here on nobody sees anything, whenever it is looked at.
  await load.more(200);
  await load.stop();

  const log = await readLog(world.db);
  await Promise.all(followers.map(({ follower }) => follower.reached(log.length)));
  const { rows } = await world.db.query<{ id: string; position: number; type: string; resource: string }>(
    'select id, position::int, type, resource from event order by position',
  );
  const events = rows.filter(({ type }) => type !== 'acl_change');
  const changes = rows
    .filter(({ type }) => type === 'acl_change')
    .map(({ position, resource }): RightsChange => {
      const [next = expect.fail()] = asked.filter((each) => each.resource === resource);
      asked.splice(asked.indexOf(next), 1);
      return { ...next, position };
    });
  expect(asked).toEqual([]);
  const beginning = PAGES.map((resource) => ({ resource, position: 0, claims: [FIRST_CLAIM], askedAtMs: 0 }));
  const viewers = followers.map(({ claim, follower: { name, messages } }) => ({ name, claim, messages }));
  expect(rightsFaultsOf({ events, changes: [...beginning, ...changes], viewers })).toEqual([]);

  // What each may see is judged above; here it is what it was given.
  const order = new Map(log.map(({ id, position }) => [id, position]));
  const subscribers = viewers.map(({ name, messages }) => {
    const found = [...new Set(messages.flatMap(({ ids }) => ids))];
    found.sort((one, other) => (order.get(one) ?? 0) - (order.get(other) ?? 0));
    return { name, after: 0, messages, found };
  });
  expect(faultsOf({ outcomes, log, subscribers, readers: [] })).toEqual([]);
  for (const { messages } of viewers) expect(messages.some(({ hidden }) => hidden.length > 0)).toBe(true);
});

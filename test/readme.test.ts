/** What the README tells a newcomer to paste works, in its order. */
import { access, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { openWorld } from './support/world.ts';

test('the links of the documents lead somewhere', async () => {
  const documents = [
    'README.md',
    'CONTRIBUTING.md',
    'docs/performance.md',
    'docs/codes.md',
    'docs/client.md',
    'docs/recording.md',
    'docs/servers.md',
  ];
  for (const decision of await readdir('docs/decisions')) documents.push(`docs/decisions/${decision}`);
  for (const document of documents) {
    const links = (await readFile(document, 'utf8')).matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g);
    for (const [, target] of links) await access(join(dirname(document), target as string));
  }
});

test('the operations of the README work', async () => {
  const world = await openWorld();
  const text = await readFile('README.md', 'utf8');
  const operations = [...text.matchAll(/```graphql\n(.*?)```/gs)].map(([, operation]) => operation as string);
  const [record, query, count, watch, setAcl, explain, revoke, ...more] = operations;
  expect(more).toEqual([]);

  const stream = world.watch(watch as string);
  await stream.until(({ data }) => data.eventStream.live);
  const { recordEvent } = await world.ask(record as string);
  const [message] = (await stream.until(({ data }) => data.eventStream.events.length > 0)).slice(-1);
  expect(message?.data.eventStream.events[0].message).toContain('db-3');

  const { events } = await world.ask(query as string);
  expect(events).toMatchObject({ totalCount: 1, nodes: [{ resource: { ref: 'deployment/847' } }] });
  const { eventStatistics } = await world.ask(count as string);
  expect(eventStatistics).toMatchObject({ totalCount: 1, facet: { distinctCount: 1 } });
  await world.ask(setAcl as string);
  const { explainVisibility } = await world.ask(
    (explain as string).replace('"…"', `"${recordEvent.event.id}"`),
  );
  expect(explainVisibility).toMatchObject({
    level: 'ENVELOPE',
    reasons: [{ claim: 'group/support', right: 'viewMeta' }],
  });
  const seen = `{ event(id: "${recordEvent.event.id}") { severity attributes payload } }`;
  const token = await world.token({ subject: 'jane', groups: ['support'] });
  expect(await world.ask(seen, {}, { token })).toEqual({
    event: { severity: 'HIGH', attributes: null, payload: null },
  });
  await world.ask(revoke as string);
  const [refused] = (await world.send(seen, {}, { token })).errors ?? [];
  expect(refused?.extensions.code).toBe('UNAUTHENTICATED');
});

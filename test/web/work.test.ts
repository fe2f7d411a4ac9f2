/** What people do on the screens beside the stream: follow a tree, give rights, declare types, ask who sees what. */
import { describe, expect, test } from 'vitest';
import { openWorld, type World } from '../support/world.ts';
import { openSite, SOON } from './support/site.ts';

const RECORD =
  'mutation ($input: [RecordEventInput!]!) { recordEvents(input: $input) { events { id children { nodes { id } } } } }';
const TIMEOUT_MS = 90_000;

async function openAs(world: World, who: { subject?: string; groups?: string[] }) {
  return openSite({ url: world.servers[0]?.url ?? '', token: await world.token(who) });
}

const step = (name: string, more: object = {}) => ({
  type: 'call',
  resource: 'deployment/1',
  message: name,
  attributes: { function: name, elapsed_ms: 20 },
  ...more,
});

describe('a tree', { timeout: TIMEOUT_MS }, () => {
  test('grows while the work goes on, and shows what fails', async () => {
    const world = await openWorld();
    const { recordEvents } = await world.ask(RECORD, {
      input: [step('deploy', { children: [step('build', { children: [step('compile')] })] })],
    });
    const [root] = recordEvents.events;
    const { page, open, complaints } = await openAs(world, { groups: ['admin'] });
    await open(`/tree/${root.id}`);
    const names = () =>
      page.locator('.tree-row').evaluateAll((rows) => rows.map((row) => row.textContent ?? ''));
    await expect.poll(async () => (await names()).length, SOON).toBe(3);
    await expect.poll(() => page.locator('main').textContent(SOON), SOON).toContain('no failures');
    const [build] = root.children.nodes;
    await world.ask(RECORD, {
      input: [
        step('test', {
          parentId: build.id,
          severity: 'HIGH',
          attributes: { function: 'test', elapsed_ms: 5, error: 'Timeout' },
        }),
      ],
    });
    await expect.poll(async () => (await names()).length, SOON).toBe(4);
    const rows = await names();
    // Below what it is part of, behind its older sibling.
    expect(rows.findIndex((row) => row.includes('test'))).toBe(3);
    expect(rows[3]).toMatch(/failed: Timeout/);
    await expect.poll(() => page.locator('main').textContent(SOON), SOON).toContain('1 failure');
    expect(complaints).toEqual([]);
  });

  test('is searched and folded', async () => {
    const world = await openWorld();
    const { recordEvents } = await world.ask(RECORD, {
      input: [
        step('deploy', { children: [step('build', { children: [step('compile')] }), step('roll out')] }),
      ],
    });
    const { page, open } = await openAs(world, { groups: ['admin'] });
    await open(`/tree/${recordEvents.events[0].id}`);
    const count = () => page.locator('.tree-row').count();
    await expect.poll(count, SOON).toBe(4);
    await page.getByPlaceholder('Search within the tree').fill('compile');
    // With what it is part of.
    await expect.poll(count, SOON).toBe(3);
    await page.getByPlaceholder('Search within the tree').fill('');
    await expect.poll(count, SOON).toBe(4);
    await page.getByRole('button', { name: 'Fold all', exact: true }).click();
    // The steps of the top stay.
    await expect.poll(count, SOON).toBe(3);
    await page.getByRole('button', { name: 'Unfold all', exact: true }).click();
    await expect.poll(count, SOON).toBe(4);
  });
});

describe('a resource', { timeout: TIMEOUT_MS }, () => {
  test('shows its newest events as they come, and its latest state', async () => {
    const world = await openWorld();
    const update = (old: string, now: string) => ({
      type: 'update',
      resource: 'job/1',
      attributes: { attribute: 'status', old, new: now },
    });
    await world.ask(RECORD, { input: [update('new', 'queued')] });
    const { page, open } = await openAs(world, { groups: ['admin'] });
    await open('/resource/job/1');
    await expect.poll(() => page.locator('main').textContent(SOON), SOON).toMatch(/new.*→.*queued/);
    await world.ask(RECORD, { input: [update('queued', 'running')] });
    await expect.poll(() => page.locator('main').textContent(SOON), SOON).toMatch(/queued.*→.*running/);
  });

  test('gives and takes rights by who may, as the API then holds', async () => {
    const world = await openWorld();
    await world.ask(RECORD, { input: [{ type: 'note', resource: 'page/1', message: 'secret' }] });
    await world.ask('mutation { setResourceAcl(ref: "page/1", acl: { owners: ["user/jane"] }) { ref } }');
    const { page, open } = await openAs(world, { subject: 'jane' });
    await open('/resource/page/1');
    await page.getByRole('button', { name: 'Edit' }).click(SOON);
    await page.getByLabel('Give viewData to').fill('nobody');
    await expect
      .poll(() => page.getByRole('button', { name: 'Add nobody to viewData' }).isDisabled(), SOON)
      .toBe(true);
    await page.getByLabel('Give viewData to').fill('user/joe');
    await page.keyboard.press('Enter');
    await expect
      .poll(() => page.locator('.acl-summary').textContent(SOON), SOON)
      .toContain('user/joe gets viewData');
    await page.getByRole('button', { name: 'Save' }).click();
    const joe = await world.token({ subject: 'joe' });
    const seen = async () =>
      (await world.ask('{ events { totalCount } }', {}, { token: joe })).events.totalCount;
    await expect.poll(seen, SOON).toBe(1);
    await page.getByRole('button', { name: 'Edit' }).click(SOON);
    await page.getByRole('button', { name: 'Take owners from user/jane' }).click();
    await expect.poll(() => page.locator('.acl-summary').textContent(SOON), SOON).toMatch(/You would lose/);
    await page.getByRole('button', { name: 'Cancel' }).click();
    const { resource } = await world.ask('{ resource(ref: "page/1") { acl { owners } } }');
    expect(resource.acl.owners).toEqual(['user/jane']);
  });
});

describe('another journal', { timeout: TIMEOUT_MS }, () => {
  test.each(['page/%41', 'page/../login', 'page/a b?c#d/e'])(
    'is kept on the way to %s and back',
    async (ref) => {
      const world = await openWorld();
      await world.ask(RECORD, { input: [{ type: 'note', resource: ref, message: 'in main' }] });
      const { recordEvents } = await world.ask(RECORD, {
        input: [{ type: 'note', journal: 'eu', resource: ref, message: 'in eu' }],
      });
      const { page, open, complaints } = await openAs(world, { groups: ['admin'] });
      await open(`/event/${recordEvents.events[0].id}`);
      await page.getByRole('link', { name: ref, exact: true }).click(SOON);
      await expect.poll(() => page.locator('h1').textContent(SOON), SOON).toBe(ref);
      const timeline = page.locator('.timeline');
      await expect.poll(() => timeline.textContent(SOON), SOON).toContain('in eu');
      expect(await timeline.textContent()).not.toContain('in main');
      // Read from the address alone, it is the same.
      await page.reload();
      await expect.poll(() => timeline.textContent(SOON), SOON).toContain('in eu');
      await timeline.getByRole('link', { name: 'note', exact: true }).first().click();
      await expect.poll(() => page.locator('.stream-row').count(), SOON).toBe(1);
      expect(new URL(page.url()).searchParams.get('journal')).toBe('eu');
      expect(complaints).toEqual([]);
    },
  );
});

describe('the registry', { timeout: TIMEOUT_MS }, () => {
  test('takes a new attribute and a new type, and says what the server refuses', async () => {
    const world = await openWorld();
    const { page, open } = await openAs(world, { groups: ['admin'] });
    await open('/types');
    await page.getByRole('button', { name: 'New attribute' }).click(SOON);
    await page.locator('dialog').getByLabel('Name').fill('branch');
    await page.locator('dialog button[type=submit]').click();
    await expect.poll(() => page.locator('dialog').count(), SOON).toBe(0);
    await page.getByRole('button', { name: 'New event type' }).click();
    await page.locator('dialog').getByLabel('Name').fill('deploy.start');
    await page.locator('dialog').getByLabel('Message template').fill('{actor} deploys {nothing}');
    await page.locator('dialog button[type=submit]').click();
    await expect
      .poll(() => page.locator('dialog').getByRole('alert').textContent(SOON), SOON)
      .toContain('nothing');
    await page.locator('dialog').getByLabel('Message template').fill('{actor} deploys {resource}');
    await page.locator('dialog button[type=submit]').click();
    await expect.poll(() => page.locator('dialog').count(), SOON).toBe(0);
    const { eventType, attributes } = await world.ask(
      '{ eventType(name: "deploy.start") { messageTemplate } attributes { name } }',
    );
    expect(eventType.messageTemplate).toBe('{actor} deploys {resource}');
    expect(attributes.map(({ name }: { name: string }) => name)).toContain('branch');
    await expect.poll(() => page.locator('main').textContent(SOON), SOON).toContain('deploy.start');
  });
});

describe('an event', { timeout: TIMEOUT_MS }, () => {
  test('tells an administrator who sees it, by which claim and right', async () => {
    const world = await openWorld();
    const { recordEvents } = await world.ask(RECORD, {
      input: [{ type: 'note', resource: 'page/1', message: 'hello' }],
    });
    await world.ask(
      'mutation { setResourceAcl(ref: "page/1", acl: { viewMeta: ["group/staff"], viewData: ["group/ops"] }) { ref } }',
    );
    const { page, open } = await openAs(world, { groups: ['admin'] });
    await open(`/event/${recordEvents.events[0].id}`);
    await page.getByText('Who sees this?').click(SOON);
    await page.getByLabel('Claims').fill('user/jane, group/staff');
    await page.getByRole('button', { name: 'Explain' }).click();
    const said = page.locator('.who-sees');
    await expect.poll(() => said.textContent(SOON), SOON).toMatch(/group\/staff.*viewMeta/);
    expect(await said.textContent()).toContain('group/ops');
  });
});

describe('the overview', { timeout: TIMEOUT_MS }, () => {
  test('counts what is shown, and failures as the filter does', async () => {
    const world = await openWorld();
    await world.ask(RECORD, {
      input: [
        step('fine'),
        step('slow', { severity: 'CRITICAL' }),
        step('broken', { attributes: { function: 'broken', error: 'Timeout' } }),
      ],
    });
    const { page, open } = await openAs(world, { groups: ['admin'] });
    await open('/overview');
    await expect.poll(() => page.locator('.figures').textContent(SOON), SOON).toMatch(/Events3Failures2/);
    await page.locator('.figures').getByRole('link', { name: '2' }).click();
    await expect.poll(() => page.locator('.stream-row').count(), SOON).toBe(2);
    expect(new URL(page.url()).searchParams.getAll('f')).toEqual(['is:failed']);
  });
});

/** The demo, run as its users run it: a program beside a server, which knows the public API only. */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { emptyFolder, environmentOf, eventree } from './support/cli.ts';
import { openWorld, worldForFile } from './support/world.ts';

const PAYLOADS = 329;
/** Compiling it and declaring 161 event types takes its time where other tests run beside. */
const TIMEOUT_MS = 120_000;

describe('npm run demo', () => {
  const world = worldForFile();
  let first: Run;
  let events: Recorded[];

  beforeAll(async () => {
    first = await runDemo(await surroundings());
    events = await recorded();
  }, TIMEOUT_MS);

  test('records each payload of the package once', () => {
    expect(first).toMatchObject({ exitCode: 0, errors: '' });
    expect(first.output).toContain(
      '\nResources  13 repositories, 13 of them new; 10 are open to everybody\n',
    );
    expect(first.output).toContain(`${PAYLOADS} events, ${PAYLOADS} of them new`);
    expect(events).toHaveLength(PAYLOADS);
  });

  test('keeps the whole of each payload', () => {
    const examples: { examples: object[] }[] = createRequire(import.meta.url)('@octokit/webhooks-examples');
    const given = examples.flatMap(({ examples }) => examples);
    expect(events.map(({ payload }) => canonical(payload)).sort()).toEqual(given.map(canonical).sort());
  });

  test('records nothing else: no change of rights, no event of another type', async () => {
    const { all } = await world().ask('{ all: events(first: 1) { totalCount } }');
    expect(all.totalCount).toBe(PAYLOADS);
  });

  test('gives each event its type, resource, actor, time and message', () => {
    for (const event of events) {
      const { payload, resource, actor } = event;
      const action = payload.action === undefined ? '' : `\\.${payload.action}`;
      expect(event.type.name).toMatch(new RegExp(`^github\\.[a-z0-9_]+${action}$`));
      expect(actor).toBe(`user/${payload.sender?.login ?? 'github'}`);
      expect(resource.ref).toBe(expectedResource(payload) ?? resource.ref);
      expect(resource.ref).not.toContain('undefined');
      expect(Date.parse(event.occurredAt)).toBeGreaterThan(Date.parse('2017-01-01'));
      expect(Date.parse(event.occurredAt)).toBeLessThan(Date.parse('2024-01-01'));
      // What a template shows and the event lacks is shown as a dash.
      expect(event.message).not.toContain('—');
      expect(event.message).not.toMatch(/undefined|null|\{/);
    }
  });

  test('carries the time of the event in its id', () => {
    for (const { id, occurredAt } of events) {
      expect(Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)).toBe(Date.parse(occurredAt));
    }
  });

  test('types the attributes', async () => {
    const count = async (filter: object) => {
      const { events } = await world().ask(
        'query ($filter: EventFilter) { events(first: 1, filter: $filter) { totalCount } }',
        { filter },
      );
      return events.totalCount;
    };
    expect(
      await count({
        attributes: [
          { name: 'number', eq: 2 },
          { name: 'merged', eq: false },
        ],
      }),
    ).toBe(29);
    expect(await count({ attributes: [{ name: 'additions', gte: 1 }] })).toBe(29);
    expect(await count({ attributes: [{ name: 'cvss', gt: 9.5 }] })).toBe(1);
    expect(await count({ attributes: [{ name: 'due_on', lt: '2019-06-01T00:00:00Z' }] })).toBe(5);
    expect(await count({ attributes: [{ name: 'target', eq: 'repository/Octocoders/Hello-World' }] })).toBe(
      3,
    );
    expect(
      await count({ correlationId: { eq: 'ec26c3e57ca3a959ca5aad62de7213c562f8c821' } }),
    ).toBeGreaterThan(40);
  });

  test('is severe where something has failed or is vulnerable', () => {
    const severityOf = (type: string) =>
      new Set(events.filter((event) => event.type.name === type).map(({ severity }) => severity));
    expect(severityOf('github.check_run.completed')).toEqual(new Set(['HIGH', 'LOW']));
    expect(severityOf('github.dependabot_alert.created')).toEqual(new Set(['HIGH']));
    expect(severityOf('github.code_scanning_alert.created')).toEqual(new Set(['CRITICAL']));
    expect(severityOf('github.push')).toEqual(new Set(['LOW']));
  });

  test.each([
    { parent: 'github.workflow_run.requested', child: 'github.workflow_job', edges: 4 },
    { parent: 'github.workflow_run.requested', child: 'github.workflow_run.completed', edges: 2 },
    { parent: 'github.check_suite', child: 'github.check_run', edges: 6 },
    { parent: 'github.deployment.created', child: 'github.deployment_status', edges: 4 },
    { parent: 'github.pull_request.opened', child: 'github.pull_request_review.', edges: 3 },
    { parent: 'github.pull_request_review.', child: 'github.pull_request_review_comment', edges: 5 },
    { parent: 'github.pull_request_review.', child: 'github.pull_request_review_thread', edges: 2 },
    { parent: 'github.issues.opened', child: 'github.issue_comment', edges: 9 },
    { parent: 'github.discussion.created', child: 'github.discussion_comment', edges: 4 },
  ])('grows trees: $edges of $child below $parent', ({ parent, child, edges }) => {
    const found = events.filter(
      (event) => event.type.name.startsWith(child) && event.parent?.type.name.startsWith(parent),
    );
    expect(found).toHaveLength(edges);
  });

  test('relates by numbers only: a deployment’s news to the deployment to the same environment', () => {
    for (const { payload, parent } of events.filter(({ type }) =>
      type.name.startsWith('github.deployment_status'),
    )) {
      expect(parent?.payload.deployment.environment).toBe(payload.deployment_status.environment);
    }
    // Its pull request, its review and its run are not among the payloads.
    const orphans = ['github.pull_request_review_thread.resolved', 'github.workflow_job.waiting'];
    for (const type of orphans) {
      expect(events.some((event) => event.type.name === type && event.parent === null)).toBe(true);
    }
  });

  test('shows the public repositories, and nothing else, to who has no token', async () => {
    const seen = await recorded(null);
    expect(new Set(seen.map(({ resource }) => resource.ref))).toEqual(
      new Set([
        'repository/Codertocat/Hello-World',
        'repository/Octocoders/Hello-World',
        'repository/electron/electron',
        'repository/github/hello-world',
        'repository/lineville/elastic-machines-testing',
        'repository/octocat/hello-world',
        'repository/terraform-test-github/sample-app',
        'repository/wolfy1339/github-events-schemas',
        'repository/wolfy1339/octoherd-script-replace-pika-with-esbuild',
        'repository/wolfy1339/pika-pack',
      ]),
    );
    const refs = new Set(seen.map(({ resource }) => resource.ref));
    expect(seen).toHaveLength(events.filter(({ resource }) => refs.has(resource.ref)).length);
  });

  test('shows a private repository to its organization', async () => {
    const seen = await recorded(await world().token({ subject: 'mona', groups: ['octo-org'] }));
    expect(seen.length).toBeGreaterThan(0);
    expect(new Set(seen.map(({ resource }) => resource.ref))).toEqual(
      new Set(['repository/octo-org/octo-repo', 'repository/octo-org/example-workflow']),
    );
  });

  test('prints three queries and a subscription, and each of them finds something', async () => {
    const operations = first.output.match(/^(query|subscription) \w+ \{\n[\s\S]*?^\}$/gm) ?? [];
    expect(operations.map((text) => text.split(' ')[0])).toEqual(['query', 'query', 'query', 'subscription']);

    const [attention, trees, counts] = await Promise.all(
      operations.slice(0, 3).map((query) => world().ask(query)),
    );
    expect(attention.events.totalCount).toBeGreaterThan(2);
    expect(attention.events.nodes).toHaveLength(attention.events.totalCount);
    expect(trees.run.tree).toHaveLength(7);
    expect(trees.pullRequest.children.nodes[0].children.nodes.length).toBeGreaterThan(1);
    expect(counts.all.totalCount).toBe(PAYLOADS);
    expect(counts.resources.nodes).toHaveLength(13);
    for (const part of [counts.alarms, counts.bots, counts.since2021])
      expect(part.totalCount).toBeGreaterThan(0);

    const stream = world().watch(operations[3] as string);
    const { data, errors } = await stream.next();
    stream.close();
    expect(errors).toBeUndefined();
    expect(data.eventRecorded.type.name).toMatch(/^github\./);
  });

  test(
    'can be brought to another server, with its types',
    async () => {
      const folder = await emptyFolder();
      const here = await environmentOf(world());
      const exported = await eventree(['export', '-o', 'events.ndjson', '--types', 'types.json'], {
        environment: here,
        folder,
      });
      expect(exported).toMatchObject({ code: 0, stderr: '' });
      const other = await openWorld();
      const there = await environmentOf(other);
      const imported = await eventree(['import', 'events.ndjson', '--types', 'types.json', '--json'], {
        environment: there,
        folder,
      });
      expect(imported).toMatchObject({ code: 0, stderr: '' });
      expect(JSON.parse(imported.stdout)).toMatchObject({ read: PAYLOADS, recorded: PAYLOADS });
      const again = await eventree(['export'], { environment: there, folder });
      expect(again.stdout).toBe(await readFile(join(folder, 'events.ndjson'), 'utf8'));
    },
    TIMEOUT_MS,
  );

  test(
    'adds nothing when it is run again',
    async () => {
      const again = await runDemo(await surroundings());
      expect(again).toMatchObject({ exitCode: 0, errors: '' });
      expect(again.output).toContain('Declared   0 attributes and 0 event types\n');
      expect(again.output).toContain('Resources  13 repositories, 0 of them new;');
      expect(again.output).toContain(`${PAYLOADS} events, 0 of them new`);
      expect(await recorded()).toEqual(events);
    },
    TIMEOUT_MS,
  );

  async function surroundings() {
    return {
      // Without a path.
      EVENTREE_URL: String(world().servers[0]?.url),
      EVENTREE_TOKEN: await world().token({ subject: 'developer', groups: ['admin'] }),
    };
  }

  /** In order of the journal. */
  async function recorded(token?: string | null): Promise<Recorded[]> {
    const { events } = await world().ask(
      `{
        events(order: OLDEST_FIRST, first: 500) {
          nodes {
            id occurredAt severity message actor payload
            type { name } resource { ref } parent { type { name } payload }
          }
        }
      }`,
      {},
      token === undefined ? {} : { token },
    );
    return events.nodes;
  }
});

describe('where the demo cannot run', () => {
  test(
    'it says to start a server, when none answers',
    async () => {
      const run = await runDemo({ EVENTREE_URL: 'http://127.0.0.1:1' });
      expect(run).toEqual({
        exitCode: 1,
        output: '',
        errors: expect.stringMatching(
          /^The server at http:\/\/127\.0\.0\.1:1\/graphql cannot be reached: .+\. Start one first, in another terminal: npm start\n$/,
        ),
      });
    },
    TIMEOUT_MS,
  );

  test(
    'it says what a token is taken from, when there is none',
    async () => {
      const other = await openWorld();
      const run = await runDemo({
        EVENTREE_URL: String(other.servers[0]?.url),
        EVENTREE_DATA_DIR: './nowhere',
      });
      expect(run).toEqual({
        exitCode: 1,
        output: '',
        errors: expect.stringMatching(/^Recording takes a token: set EVENTREE_TOKEN .*\.\n$/),
      });
    },
    TIMEOUT_MS,
  );

  test(
    'it says what to do about a token, when the server does not take it',
    async () => {
      const other = await openWorld();
      const run = await runDemo({ EVENTREE_URL: String(other.servers[0]?.url), EVENTREE_TOKEN: 'nope' });
      expect(run).toEqual({
        exitCode: 1,
        output: '',
        errors: expect.stringMatching(/ Set EVENTREE_TOKEN to one that it does, or .*\.\n$/),
      });
    },
    TIMEOUT_MS,
  );

  test(
    'it says so, when something else answers',
    async () => {
      const other = createServer((_, response) => response.end('<html>')).listen(0, '127.0.0.1');
      onTestFinished(() => void other.close());
      await new Promise((resolve) => other.once('listening', resolve));
      const { port } = other.address() as AddressInfo;
      const run = await runDemo({ EVENTREE_URL: `http://127.0.0.1:${port}/` });
      expect(run).toMatchObject({
        exitCode: 1,
        errors: expect.stringMatching(/ It is not Eventree: set EVENTREE_URL\.\n$/),
      });
    },
    TIMEOUT_MS,
  );
});

/** The same text for the same JSON: PostgreSQL keeps no order of names. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

interface Recorded {
  readonly id: string;
  readonly type: { readonly name: string };
  readonly occurredAt: string;
  readonly severity: string;
  readonly message: string;
  readonly actor: string;
  readonly resource: { readonly ref: string };
  // biome-ignore lint/suspicious/noExplicitAny: as GitHub sent it.
  readonly payload: any;
  // biome-ignore lint/suspicious/noExplicitAny: the same.
  readonly parent: { readonly type: { readonly name: string }; readonly payload: any } | null;
}

/** Where the payload itself decides; other events have a resource of their own sort. */
// biome-ignore lint/suspicious/noExplicitAny: as GitHub sent it.
function expectedResource({ repository, organization }: any): string | undefined {
  if (repository !== undefined) return `repository/${repository.full_name}`;
  return organization === undefined ? undefined : `organization/${organization.login}`;
}

interface Run {
  readonly exitCode: number | null;
  readonly output: string;
  readonly errors: string;
}

function runDemo(environment: Record<string, string>): Promise<Run> {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('EVENTREE_'));
  const child = spawn(process.execPath, ['--import', 'tsx', 'examples/github/demo.ts'], {
    env: { ...Object.fromEntries(inherited), ...environment },
  });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (errors += text));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exitCode) => resolve({ exitCode, output, errors }));
  });
}

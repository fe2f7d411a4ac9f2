/**
 * `npm run demo`: brings real webhook payloads of GitHub into a running Eventree, as an integration of your
 * own would. Read this file for the way it goes, then
 *
 *     events/*.ts    tables: the event types, their messages, which value is read from where in a payload
 *     mapping.ts     one payload → one event
 *     relations.ts   which event is part of which
 *     resources.ts   who may see what
 *     client.ts      how to speak to a server
 *
 * Running it again adds nothing: ids follow from the payloads.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import pc from 'picocolors';
import type { Client } from '../../src/client/index.ts';
import { loadConfig } from '../../src/config.ts';
import { connect, explain } from './client.ts';
import { type EventInput, toEvent } from './mapping.ts';
import { readDeliveries } from './payloads.ts';
import { queries, subscription } from './queries.ts';
import { countEvents, growTrees, type Tree } from './relations.ts';
import { ANONYMOUS, type ResourceInput, repositoriesOf } from './resources.ts';
import { counted, print, startProgress, stopProgress } from './screen.ts';
import {
  type AttributeInput,
  attributesToDeclare,
  type EventTypeInput,
  eventTypesToDeclare,
} from './types.ts';

/** Trees in one request; and a moment between requests, so that who watches sees them come. */
const BATCH_TREES = 10;
const PAUSE_MS = 100;

async function demo(): Promise<void> {
  const client = await connect(loadConfig());
  const deliveries = readDeliveries();
  const trees = growTrees(deliveries);
  print(
    `${pc.bold(`${deliveries.length} webhook payloads of GitHub`)}, from @octokit/webhooks-examples, to ${pc.cyan(client.url)}`,
  );

  await declare(client);
  await putRepositories(client, repositoriesOf(deliveries));
  await record(client, trees);
  await printWhatNext(client, trees);
}

// ── 1. Declare ───────────────────────────────────────────────────────────────────────────────────────

/** Declares what the server does not know yet, or knows otherwise. */
async function declare({ query }: Client): Promise<void> {
  const known = await query<Known>(`{
    attributes { name kind description indexed }
    eventTypes {
      name category severity messageTemplate
      attributes { required attribute { name } }
    }
  }`);
  const knownTypes = known.eventTypes.map(({ attributes, ...type }) => ({
    ...type,
    attributes: attributes.map(({ attribute, required }) => ({ name: attribute.name, required })),
  }));
  const attributes = attributesToDeclare().filter(isNewTo<AttributeInput>(known.attributes));
  const eventTypes = eventTypesToDeclare().filter(isNewTo<EventTypeInput>(knownTypes));

  const advance = startProgress('Declaring', attributes.length + eventTypes.length);
  for (const input of attributes) {
    await query('mutation ($input: DefineAttributeInput!) { defineAttribute(input: $input) { name } }', {
      input,
    });
    advance(1);
  }
  for (const input of eventTypes) {
    await query('mutation ($input: DefineEventTypeInput!) { defineEventType(input: $input) { name } }', {
      input,
    });
    advance(1);
  }
  stopProgress();
  print(
    `Declared   ${counted(attributes.length, 'attribute')} and ${counted(eventTypes.length, 'event type')}`,
  );
}

interface Known {
  readonly attributes: readonly AttributeInput[];
  readonly eventTypes: readonly (Omit<EventTypeInput, 'attributes'> & {
    readonly attributes: readonly {
      readonly attribute: { readonly name: string };
      readonly required: boolean;
    }[];
  })[];
}

function isNewTo<Declared extends { readonly name: string }>(known: readonly Declared[]) {
  const byName = new Map(known.map((declared) => [declared.name, declared]));
  return (declared: Declared) => !isDeepStrictEqual(byName.get(declared.name), declared);
}

// ── 2. Say who may see what ──────────────────────────────────────────────────────────────────────────

/** Puts those that are not there yet: what somebody has changed since stays as it is. */
async function putRepositories({ query }: Client, repositories: readonly ResourceInput[]): Promise<void> {
  let put = 0;
  for (const input of repositories) {
    const { resource } = await query<{ resource: object | null }>(
      'query ($ref: ResourceRef!) { resource(ref: $ref) { ref } }',
      { ref: input.ref },
    );
    if (resource !== null) continue;
    await query('mutation ($input: PutResourceInput!) { putResource(input: $input) { ref } }', { input });
    put++;
  }
  const open = repositories.filter(({ acl }) => acl.viewData.includes(ANONYMOUS));
  print(
    `Resources  ${counted(repositories.length, 'repository', 'repositories')}, ${put} of them new; ${open.length} ${open.length === 1 ? 'is' : 'are'} open to everybody`,
  );
}

// ── 3. Record ────────────────────────────────────────────────────────────────────────────────────────

async function record(client: Client, trees: readonly Tree[]): Promise<void> {
  const before = await countRecorded(client);
  const total = sumOf(trees, countEvents);
  const advance = startProgress('Recording', total);
  for (let at = 0; at < trees.length; at += BATCH_TREES) {
    const batch = trees.slice(at, at + BATCH_TREES);
    // All or nothing. Their ids make it safe to send again what got no answer.
    await client.query(
      'mutation ($input: [RecordEventInput!]!) { recordEvents(input: $input) { events { id } } }',
      { input: batch.map(toInput) },
    );
    advance(sumOf(batch, countEvents));
    await pause(PAUSE_MS);
  }
  stopProgress();
  const added = (await countRecorded(client)) - before;
  const alone = trees.filter(({ children }) => children.length === 0).length;
  print(
    `Recorded   ${counted(total, 'event')}, ${added} of them new; ${counted(trees.length - alone, 'tree')} and ${counted(alone, 'event')} by ${alone === 1 ? 'itself' : 'themselves'}`,
  );
}

/** The event, with all that is part of it as its children. */
function toInput({ delivery, children }: Tree): EventInput {
  return { ...toEvent(delivery), ...(children.length > 0 && { children: children.map(toInput) }) };
}

async function countRecorded({ query }: Client): Promise<number> {
  const { events } = await query<{ events: { totalCount: number } }>(
    '{ events(first: 1, filter: { type: { startsWith: "github." } }) { totalCount } }',
  );
  return events.totalCount;
}

function sumOf<T>(items: readonly T[], count: (item: T) => number): number {
  return items.reduce((sum, item) => sum + count(item), 0);
}

// ── 4. Look at it ────────────────────────────────────────────────────────────────────────────────────

async function printWhatNext(client: Client, trees: readonly Tree[]): Promise<void> {
  const examples = {
    workflowRun: idOfTree('workflow_run', trees),
    pullRequest: idOfTree('pull_request', trees),
  };
  print('');
  print(`Watch them in another terminal: ${pc.cyan('npx eventree tail')}`);
  print(`Or open ${pc.cyan(client.url)} in a browser and paste, one at a time:`);
  const operations = [...queries(examples), subscription(await firstCursor(client))];
  for (const operation of operations) print(`\n${operation}`);
}

/** Of the event that was recorded first. */
async function firstCursor({ query }: Client): Promise<string> {
  const { events } = await query<{ events: { nodes: [{ cursor: string }] } }>(
    '{ events(first: 1, order: OLDEST_FIRST, filter: { type: { startsWith: "github." } }) { nodes { cursor } } }',
  );
  return events.nodes[0].cursor;
}

/** Of the event with the most below it. */
function idOfTree(event: string, trees: readonly Tree[]): string {
  const [largest] = trees
    .filter(({ delivery }) => delivery.event === event)
    .sort((a, b) => countEvents(b) - countEvents(a));
  if (largest === undefined) throw new Error(`There is no ${event} among the payloads.`);
  return toEvent(largest.delivery).id;
}

try {
  await demo();
} catch (error) {
  stopProgress();
  const sentence = explain(error);
  if (sentence === null) throw error;
  process.stderr.write(`${sentence}\n`);
  process.exitCode = 1;
}

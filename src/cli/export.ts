/**
 * `eventree export`: events oldest first, a page at a time, as lines that `eventree import` takes.
 *
 * It ends where the journal ended when it got there. Pages are made smaller where events are large, so
 * that a page stays at a few megabytes.
 */
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { messageOf } from '../base/errors.ts';
import type { Client } from '../client/client.ts';
import { type PlainEvent, plainEvent } from '../client/event.ts';
import { toCloudEvent } from './cloud-event.ts';
import { addConnectionOptions, type ConnectionOptions, connect } from './connect.ts';
import { addFilterOptions, type FilterOptions, filterOf } from './filter-options.ts';
import { createPatience } from './patience.ts';
import { startProgress } from './progress.ts';
import { print } from './terminal.ts';
import { writeTypesFile } from './types-file.ts';

interface ExportOptions extends ConnectionOptions, FilterOptions {
  readonly journal: string;
  readonly format: 'ndjson' | 'cloudevents';
  readonly output: string;
  readonly types?: string;
}

const EXAMPLES = `
Every line is one event, with all that you may see of it: take a token of group/admin for a whole copy. ndjson has the
fields of this API's RecordEventInput; cloudevents is CloudEvents 1.0 in JSON. With a filter, see to it that it takes
parents with their children.

\`eventree import\` makes either format the same events again, on this server or one that knows their types: --types
writes a declaration file of all attributes and event types this server has, without those that every server has. Give
it to \`eventree import --types\`, or to a server's start. Rights are not exported: import leaves acl_change out.

Examples:
  eventree export -o events.ndjson
  eventree export -o events.ndjson --types eventree.types.json
  eventree export --type "deployment.*" --format cloudevents | gzip > deployments.ndjson.gz
  eventree export --filter '{"recordedAt":{"gte":"2026-11-01T00:00:00Z"}}' -o november.ndjson`;

const COUNT = `query ($journal: String!, $filter: EventFilter) { events(journal: $journal, filter: $filter) { totalCount } }`;

const FIRST_PAGE = 50;
const LARGEST_PAGE = 500;
const PAGE_CHARS = 4_000_000;

export function declare(command: Command, exitWith: (code: number) => void): void {
  addFilterOptions(command)
    .addOption(
      new Option('--format <format>', 'what a line is').choices(['ndjson', 'cloudevents']).default('ndjson'),
    )
    .option('-o, --output <file>', 'the file to write, - for standard output', '-')
    .option(
      '--types <file.json>',
      'also write a declaration file of the attributes and event types',
      checkTypesFile,
    );
  addConnectionOptions(command)
    .addHelpText('after', EXAMPLES)
    .action(async (options: ExportOptions) => {
      await exportEvents(options);
      exitWith(0);
    });
}

async function exportEvents(options: ExportOptions): Promise<void> {
  const { journal, format, output, types } = options;
  const client = await connect(options);
  const filter = await filterOf(options, client);
  const total = process.stderr.isTTY ? await count(client, { journal, filter }) : null;
  const progress = startProgress('events', total);
  const patiently = createPatience(progress.say);
  const toLine = (event: PlainEvent) =>
    `${JSON.stringify(format === 'cloudevents' ? toCloudEvent(event) : event)}\n`;
  const range = { first: FIRST_PAGE, after: null as string | null };
  const readPage = () => patiently(() => client.events(filter, { journal, order: 'OLDEST_FIRST', ...range }));
  let done = 0;
  let orphans = 0;
  try {
    let page = await readPage();
    // Not before: an export that fails at once leaves the file of the last one as it is.
    const sink = openSink(output);
    for (;;) {
      const { nodes, pageInfo } = page;
      const text = nodes.map((node) => toLine(plainEvent(node))).join('');
      await sink.write(text);
      done += nodes.length;
      orphans += nodes.filter(({ parentHidden }) => parentHidden).length;
      progress.update(done);
      if (!pageInfo.hasNextPage) break;
      range.after = pageInfo.endCursor;
      range.first = nextPageSize(range.first, text.length / Math.max(1, nodes.length));
      page = await readPage();
    }
    await sink.end();
    // Last: a type that was declared meanwhile is in it.
    if (types !== undefined) await writeTypesFile(types, client, patiently);
  } finally {
    progress.stop();
  }
  if (orphans > 0) {
    progress.say(
      `${orphans} of these events belong to a parent that you may not see: they are exported without it.`,
    );
  }
}

function checkTypesFile(file: string): string {
  // Under another name, who reads it takes it for a program.
  if (file.endsWith('.json')) return file;
  throw new InvalidArgumentError('Its name ends with .json, as in eventree.types.json.');
}

/** Grows by doubling, and shrinks at once. */
function nextPageSize(size: number, charsPerEvent: number): number {
  const fitting = Math.floor(PAGE_CHARS / Math.max(1, charsPerEvent));
  return Math.max(1, Math.min(fitting, size * 2, LARGEST_PAGE));
}

/** Null where the server does not count that far: an export does not fail for its progress bar. */
async function count(
  client: Client,
  variables: { journal: string; filter: unknown },
): Promise<number | null> {
  try {
    return (await client.query<{ events: { totalCount: number } }>(COUNT, variables)).events.totalCount;
  } catch {
    return null;
  }
}

interface Sink {
  write(text: string): Promise<void>;
  end(): Promise<void>;
}

function openSink(file: string): Sink {
  if (file === '-') return { write: (text) => print(text), end: async () => {} };
  const stream = createWriteStream(file);
  const failed = new Promise<never>((_, reject) => {
    stream.on('error', (error) =>
      reject(new Error(`The file ${file} cannot be written: ${messageOf(error)}.`)),
    );
  });
  failed.catch(() => {});
  return {
    write: (text) => Promise.race([print(text, stream), failed]),
    async end() {
      stream.end();
      await Promise.race([finished(stream), failed]);
    },
  };
}

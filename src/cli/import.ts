/**
 * `eventree import`: the lines of a file as events, each one once however often it is imported.
 *
 *     file ─lines─▶ parse ─batches of one journal─▶ record ─▶ summary
 *                     └────────── refused: reported with its number, the rest goes on
 *
 * One batch and one line are in memory, never the file.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseDateTime } from '../base/date-time.ts';
import { EventreeError, messageOf, StartError } from '../base/errors.ts';
import { isReserved } from '../events/builtin.ts';
import { readDeclarationFile } from '../events/declaration.ts';
import { addConnectionOptions, type ConnectionOptions, connect } from './connect.ts';
import { type BatchOutcome, createSender, type NumberedLine, type Refusal } from './import-batch.ts';
import { createLineParser, type ParserOptions } from './import-line.ts';
import { linesOf } from './lines.ts';
import { wholeNumber } from './options.ts';
import { createPatience } from './patience.ts';
import { startProgress } from './progress.ts';
import { plainText, print, printJson } from './terminal.ts';
import { declareTypes } from './types-file.ts';

interface ImportOptions extends ConnectionOptions, ParserOptions {
  readonly batch: number;
  readonly types?: string;
  readonly json?: true;
}

interface Summary {
  /** Attributes and event types of --types that the server lacked or had otherwise. */
  declared: number;
  read: number;
  recorded: number;
  alreadyThere: number;
  notKept: number;
  /** Changes of rights: the server records those itself. */
  leftOut: number;
  /** The first of them; all are reported as they are met. */
  refused: Refusal[];
  refusedInAll: number;
}

const EXAMPLES = `
Each line is one event, as this API records it (the fields of RecordEventInput) or as a CloudEvent 1.0 in JSON; a
file may hold both. A line that is refused is reported with its number and reason, the rest goes on, and the exit
code is 1. The same file may be imported again, after a failure too: what is there is not recorded twice. A parent
comes before its children. Resources that do not exist yet are created with you as their owner; rights are set with
setResourceAcl, and events of type acl_change, which tell of them, are left out.

Ids: a line without one gets one that follows from its occurredAt and content; the second of two equal lines counts
as a second event. With --journal, events that name another journal get ids that follow from their own, because an
id stands for one event on a server: --keep-ids where the other journal is on another server.

CloudEvents that \`eventree export\` wrote are restored as they were. Of another system's: time becomes occurredAt,
type stays, data becomes the payload, correlationid the correlationId. The id follows from time, source and id. The
subject becomes the resource if it is written type/id; if not, the payload is { subject, data }. All else (source,
id, dataschema, extensions) is kept as privatePayload.cloudEvent.

The server must know the event types of the lines, and their attributes. --types takes a declaration file, as
\`eventree export --types\` writes it and servers read it at start: what the server lacks or has otherwise is declared
as the file has it, what else it has stays. A type that the file disables is disabled when all lines are read. Lines
are held to what is declared now: events from before an attribute became required, or was taken from its type, are
refused.

A line that does not say when it happened has happened at --occurred-at, or when it is first imported.

Examples:
  eventree import events.ndjson
  eventree export --format cloudevents | EVENTREE_URL=https://other.example eventree import - --token …
  eventree import archive.ndjson --journal archive
  eventree import events.ndjson --types eventree.types.json
  zcat events.ndjson.gz | eventree import - --json | jq .refused`;

/** With a batch of 100 that is far below what a server takes in one request. */
const BATCH_BYTES = 1_048_576;
const LINE_BYTES = 16_000_000;
const MOST_LISTED = 10_000;

export function declare(command: Command, exitWith: (code: number) => void): void {
  const format = new Option('--format <format>', 'auto tells them apart line by line');
  command
    .argument('<file>', 'the file to read, - for standard input')
    .addOption(format.choices(['auto', 'ndjson', 'cloudevents']).default('auto'))
    .option(
      '--journal <name>',
      'record all events in this journal (default: the one each line names, else main)',
    )
    .option('--keep-ids', 'keep the ids of events that go into another journal')
    .option('--occurred-at <time>', 'when events happened that do not say it', checkTime)
    .option('--batch <number>', 'events sent at once', wholeNumber(1, 1_000), 100)
    .option(
      '--types <file>',
      'first declare the attributes and event types of this file as it has them (needs group/admin)',
    )
    .option(
      '--json',
      'print { declared, read, recorded, alreadyThere, notKept, leftOut, refusedInAll, refused: [{ line, code, message }] }',
    );
  addConnectionOptions(command)
    .addHelpText('after', EXAMPLES)
    .action(async (file: string, options: ImportOptions) => {
      const summary = await importFile(file, options);
      if (options.json) await printJson(summary);
      else await print(sentence(summary));
      exitWith(summary.refusedInAll === 0 ? 0 : 1);
    });
}

async function importFile(file: string, options: ImportOptions): Promise<Summary> {
  const parse = createLineParser(options);
  const client = await connect(options);
  const { batch: batchSize, types } = options;
  const declarations = types === undefined ? null : await readDeclarationFile(types);
  const source = await openSource(file);
  const progress = startProgress('bytes', source.size);
  const patiently = createPatience(progress.say);
  const send = createSender({ client, patiently });
  const summary: Summary = {
    declared: 0,
    read: 0,
    recorded: 0,
    alreadyThere: 0,
    notKept: 0,
    leftOut: 0,
    refused: [],
    refusedInAll: 0,
  };

  const refuse = (refusal: Refusal) => {
    summary.refusedInAll++;
    if (summary.refused.length < MOST_LISTED) summary.refused.push(refusal);
    progress.say(`line ${refusal.line}: ${plainText(refusal.message)}`);
  };
  const take = (outcome: BatchOutcome) => {
    summary.recorded += outcome.recorded;
    summary.alreadyThere += outcome.alreadyThere;
    summary.notKept += outcome.notKept;
    for (const refusal of outcome.refused) refuse(refusal);
  };

  let batch: NumberedLine[] = [];
  let bytes = 0;
  const flush = async () => {
    const lines = batch;
    batch = [];
    bytes = 0;
    if (lines.length > 0) take(await send(lines));
    progress.update(source.stream.bytesRead);
  };

  try {
    const declared = declarations && (await declareTypes(declarations.declarations, client, patiently));
    summary.declared = declared?.count ?? 0;
    for await (const line of linesOf(source.stream, LINE_BYTES)) {
      if ('text' in line && line.text.trim() === '') continue;
      summary.read++;
      try {
        if ('problem' in line) throw new EventreeError('BAD_USER_INPUT', line.problem);
        const parsed = parse(line.text.trim());
        // An event that says who may see what would be believed: nobody but the server may record one.
        if (isReserved(parsed.input.type)) {
          summary.leftOut++;
          continue;
        }
        // All events of one mutation belong to one journal.
        const isElsewhere = batch[0] !== undefined && batch[0].input.journal !== parsed.input.journal;
        if (isElsewhere || bytes + line.text.length > BATCH_BYTES) await flush();
        batch.push({ ...parsed, number: line.number });
        bytes += line.text.length;
      } catch (error) {
        if (!(error instanceof EventreeError)) throw error;
        refuse({ line: line.number, code: error.code, message: error.message });
      }
      if (batch.length >= batchSize) await flush();
    }
    await flush();
    await declared?.finish();
  } catch (error) {
    const isUnderWay = summary.recorded + summary.alreadyThere > 0;
    if (isUnderWay) progress.say(`The import stops here and may be run again. ${sentence(summary).trim()}`);
    throw error;
  } finally {
    progress.stop();
  }
  return summary;
}

interface Source {
  readonly stream: AsyncIterable<Buffer> & { readonly bytesRead: number };
  /** In bytes, where it is known. */
  readonly size: number | null;
}

/** @throws StartError */
async function openSource(file: string): Promise<Source> {
  if (file === '-') return { stream: process.stdin, size: null };
  try {
    const stats = await stat(file);
    if (stats.isDirectory()) throw new Error('it is a folder');
    return { stream: createReadStream(file), size: stats.isFile() ? stats.size : null };
  } catch (error) {
    throw new StartError(`The file ${file} cannot be read: ${messageOf(error)}.`);
  }
}

function sentence(summary: Summary): string {
  const { declared, read, recorded, alreadyThere, notKept, leftOut, refusedInAll } = summary;
  const before =
    declared === 0 ? '' : `${declared} ${declared === 1 ? 'declaration' : 'declarations'} made. `;
  const parts = [`${recorded} recorded`, `${alreadyThere} already there`];
  if (notKept > 0) parts.push(`${notKept} of disabled types, not kept`);
  if (leftOut > 0) parts.push(`${leftOut} changes of rights left out`);
  if (refusedInAll > 0) parts.push(`${refusedInAll} refused`);
  return `${before}${read} ${read === 1 ? 'event' : 'events'} read: ${parts.join(', ')}.\n`;
}

function checkTime(text: string): string {
  if (parseDateTime(text) !== null) return text;
  throw new InvalidArgumentError('It is written like 2026-11-20T23:18:04Z (RFC 3339).');
}

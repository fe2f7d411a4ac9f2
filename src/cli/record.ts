/** `eventree record`: one event. */
import { readFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { messageOf, StartError } from '../base/errors.ts';
import { CATEGORIES, EVENT_FIELDS, type EventNode, plainEvent, SEVERITIES } from '../client/event.ts';
import { attributeKinds, attributeValue } from './attribute-value.ts';
import { addConnectionOptions, type ConnectionOptions, connect } from './connect.ts';
import { collect, oneOf } from './options.ts';
import { plainText, print, printJson } from './terminal.ts';

interface RecordOptions extends ConnectionOptions {
  readonly journal: string;
  readonly resource?: string;
  readonly message?: string;
  readonly attribute?: readonly { readonly name: string; readonly text: string }[];
  readonly payload?: string;
  readonly privatePayload?: string;
  readonly severity?: string;
  readonly category?: string;
  readonly actor?: string;
  readonly visibleToActor?: true;
  readonly correlationId?: string;
  readonly parent?: string;
  readonly occurredAt?: string;
  readonly id?: string;
  readonly json?: true;
}

const EXAMPLES = `
What is left out comes from the event's type: category, severity, and the message by its template. The event is
committed when this command ends with exit code 0. With an --id of your own it may be run again after a failure:
the same event under the same id is recorded once.

Examples:
  eventree record note --message "Moved to the new rack" --resource host/db-1
  eventree record deployment.start --resource deployment/847 --attribute branch=main --attribute attempt=2
  eventree record note --message "See payload" --payload '{"lines": 12}' --severity high
  eventree record note --message "From a file" --payload @report.json
  eventree record note --message "It went well" --resource host/db-1 --actor user/jane --visible-to-actor`;

const RECORD = `mutation ($input: RecordEventInput!) { recordEvent(input: $input) { event { kept ${EVENT_FIELDS} } } }`;

export function declare(command: Command, exitWith: (code: number) => void): void {
  command
    .argument('<type>', 'a declared event type, such as note')
    .option('--journal <name>', 'the journal to record in', 'main')
    .option('--resource <type/id>', 'what it is about, as in deployment/847')
    .option('--message <text>', 'what happened, for a person to read')
    .option(
      '--attribute <name=value>',
      'a value of one of the type’s attributes (repeatable)',
      collect(parsePair),
    )
    .option('--payload <json>', 'further JSON; @file reads it from a file')
    .option('--private-payload <json>', 'the same, for owners of the resource only')
    .option('--severity <level>', SEVERITIES.join(', '), oneOf(SEVERITIES))
    .option('--category <name>', CATEGORIES.join(', '), oneOf(CATEGORIES))
    .option('--actor <claim>', 'who caused it, as in user/jane (default: you)')
    .option('--visible-to-actor', 'its actor sees it, whatever the ACL of the resource says')
    .option('--correlation-id <text>', 'what ties it to events elsewhere')
    .option('--parent <id>', 'the event it happened as part of')
    .option('--occurred-at <time>', 'when it happened, as in 2026-11-20T23:18:04Z (default: now)')
    .option('--id <uuid>', 'its id, a UUID of version 7')
    .option('--json', 'print the event as it was recorded');
  addConnectionOptions(command)
    .addHelpText('after', EXAMPLES)
    .action(async (type: string, options: RecordOptions) => {
      await record(type, options);
      exitWith(0);
    });
}

async function record(type: string, options: RecordOptions): Promise<void> {
  const client = await connect(options);
  const { attribute = [], parent: parentId } = options;
  const { journal, resource, message, severity, category, actor, correlationId, occurredAt, id } = options;
  const { visibleToActor } = options;
  const kinds = attribute.length === 0 ? new Map<string, string>() : await attributeKinds(client);
  const attributes = Object.fromEntries(
    attribute.map(({ name, text }) => [name, attributeValue(text, kinds.get(name))]),
  );
  const payload = await readJson(options.payload, '--payload');
  const privatePayload = await readJson(options.privatePayload, '--private-payload');
  const envelope = {
    id,
    journal,
    type,
    resource,
    message,
    severity,
    category,
    actor,
    visibleToActor,
    correlationId,
    parentId,
    occurredAt,
  };
  const input = { ...envelope, attributes, payload, privatePayload };
  const { recordEvent } = await client.query<{ recordEvent: { event: EventNode & { kept: boolean } } }>(
    RECORD,
    {
      input,
    },
  );

  const { event } = recordEvent;
  if (!event.kept) process.stderr.write(`The event type ${type} is disabled: the event is not kept.\n`);
  if (options.json) return printJson(plainEvent(event));
  return print(`${event.id}  ${plainText(event.message)}\n`);
}

function parsePair(text: string): { name: string; text: string } {
  const at = text.indexOf('=');
  if (at > 0) return { name: text.slice(0, at), text: text.slice(at + 1) };
  throw new InvalidArgumentError('It is written name=value, as in branch=main.');
}

/** @throws StartError */
async function readJson(given: string | undefined, option: string): Promise<unknown> {
  if (given === undefined) return undefined;
  const isFile = given.startsWith('@');
  try {
    return JSON.parse(isFile ? await readFile(given.slice(1), 'utf8') : given);
  } catch (error) {
    const what = isFile ? `${given.slice(1)} cannot be read as JSON` : 'it is not JSON';
    throw new StartError(`${option}: ${what} (${messageOf(error)}).`);
  }
}

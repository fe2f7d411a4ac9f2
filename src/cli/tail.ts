/**
 * `eventree tail`: events as they arrive.
 *
 *     -n 20     the newest 20 ──▶ then what came after them ──▶ live
 *     --since   what came after the cursor ──▶ live
 *     neither   live
 */
import type { Command } from 'commander';
import { StartError } from '../base/errors.ts';
import type { Client } from '../client/client.ts';
import { EVENT_FIELDS, type EventNode, LINE_FIELDS, type LineNode, plainEvent } from '../client/event.ts';
import type { ConnectionState, FollowRequest } from '../client/follow.ts';
import { addConnectionOptions, type ConnectionOptions, connect } from './connect.ts';
import { eventLine } from './event-line.ts';
import { addFilterOptions, type Filter, type FilterOptions, filterOf } from './filter-options.ts';
import { wholeNumber } from './options.ts';
import { colorsFor, interruption, plainText, print, printJson } from './terminal.ts';

interface TailOptions extends ConnectionOptions, FilterOptions {
  readonly journal: string;
  readonly since?: string;
  readonly count?: number;
  readonly follow: boolean;
  readonly json?: true;
}

/** With --json a line holds all of an event, and where to go on from. */
type Node = LineNode | EventNode;

const EXAMPLES = `
One line an event: local time, severity, type, resource, actor, message. When the server goes away, tail waits for
it and goes on where it was: no event is lost or shown twice. Ctrl-C ends it.

Examples:
  eventree tail                                        what happens from now on
  eventree tail -n 20 --severity high                  the newest 20 of high severity and above, then what follows
  eventree tail --type "deployment.*" --resource-type deployment
  eventree tail --attribute branch=main --attribute "size>=1000"
  eventree tail --since beginning --no-follow --json   all there is, as NDJSON
  eventree tail --json | jq .cursor                    each line says where to go on from: --since <cursor>`;

const MOST_SHOWN = 10_000;
const PAGE = 500;
const SHOWN_UNASKED = 10;

export function declare(command: Command, exitWith: (code: number) => void): void {
  addFilterOptions(command)
    .option('--since <where>', 'begin after this cursor, at the beginning, or now')
    .option('-n, --count <number>', 'show the newest so many first', wholeNumber(0, MOST_SHOWN))
    .option('--no-follow', 'end instead of waiting for more (without --since: after the newest 10, or -n)')
    .option('--json', 'one JSON object a line: the event, its cursor and recordedAt');
  addConnectionOptions(command)
    .addHelpText('after', EXAMPLES)
    .action(async (options: TailOptions) => {
      await tail(options, interruption());
      exitWith(0);
    });
}

async function tail(options: TailOptions, signal: AbortSignal): Promise<void> {
  const { journal, since, count, follow, json } = options;
  if (since !== undefined && count !== undefined) {
    throw new StartError('--since and -n both say where to begin: give one of them.');
  }
  const client = await connect(options);
  try {
    const filter = await filterOf(options, client, signal);
    const fields = json ? EVENT_FIELDS : LINE_FIELDS;
    const show = json ? showJson : createShow();
    const newest = since === undefined ? (count ?? (follow ? 0 : SHOWN_UNASKED)) : 0;
    const start = newest > 0 ? await showNewest(newest) : startOf(since);
    if (follow || since !== undefined) await goOn(client, { journal, filter, fields, ...start });

    async function showNewest(most: number): Promise<Pick<FollowRequest, 'after' | 'from'>> {
      const query = { client, journal, signal };
      // Asked for first: whatever is recorded while the newest matching ones are looked for comes after it.
      const [head] = await readNewest({ ...query, filter: null, fields: 'cursor' }, 1);
      const nodes = await readNewest({ ...query, filter, fields }, most);
      for (const node of nodes.reverse()) await show(node);
      const after = nodes.at(-1)?.cursor ?? head?.cursor;
      return after === undefined ? { from: 'BEGINNING' } : { after };
    }

    async function goOn(from: Client, request: FollowRequest): Promise<void> {
      const onState = createReport();
      for await (const { events, live, gap } of from.follow<Node>({ ...request, signal, onState })) {
        if (gap !== null) note(gap.reason);
        for (const event of events) await show(event);
        if (live && !follow) return;
      }
    }
  } catch (error) {
    // Ctrl-C while a request is under way.
    if (!signal.aborted) throw error;
  }
}

function startOf(since: string | undefined): Pick<FollowRequest, 'after' | 'from'> {
  if (since === undefined || since === 'now') return { from: 'NOW' };
  return since === 'beginning' ? { from: 'BEGINNING' } : { after: since };
}

interface NewestQuery {
  readonly client: Client;
  readonly journal: string;
  readonly filter: Filter | null;
  readonly fields: string;
  readonly signal: AbortSignal;
}

/** Newest first. */
async function readNewest(request: NewestQuery, most: number): Promise<Node[]> {
  const { client, journal, filter, fields, signal } = request;
  const query = `query ($journal: String!, $filter: EventFilter, $first: Int!, $after: String) {
    events(journal: $journal, filter: $filter, first: $first, after: $after) { nodes { ${fields} } pageInfo { hasNextPage endCursor } }
  }`;
  const nodes: Node[] = [];
  const variables = { journal, filter, after: null as string | null };
  for (let isMore = true; isMore && nodes.length < most; ) {
    const first = Math.min(PAGE, most - nodes.length);
    const { events } = await client.request<NewestPage>(query, { ...variables, first }, { signal });
    nodes.push(...events.nodes);
    variables.after = events.pageInfo.endCursor;
    isMore = events.pageInfo.hasNextPage;
  }
  return nodes;
}

interface NewestPage {
  readonly events: {
    readonly nodes: readonly Node[];
    readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
  };
}

function createShow(): (node: Node) => Promise<void> {
  const colors = colorsFor(process.stdout);
  return (node) => print(`${eventLine(node, colors)}\n`);
}

async function showJson(node: Node): Promise<void> {
  const event = node as EventNode; // --json selects EVENT_FIELDS
  await printJson({ ...plainEvent(event), cursor: event.cursor, recordedAt: event.recordedAt });
}

/** Says when the connection is lost, once, and when it is back. */
function createReport(): (state: ConnectionState) => void {
  let isLost = false;
  return (state) => {
    if (state.state === 'lost' && !isLost) note(`${state.reason.message} Trying again …`);
    if (state.state === 'connected' && isLost) note('Connected again.');
    isLost = state.state === 'lost';
  };
}

function note(sentence: string): void {
  process.stderr.write(`${colorsFor(process.stderr).dim(plainText(sentence))}\n`);
}

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
import type { EventFilter } from '../client/filter.ts';
import type { FollowOptions, FollowState } from '../client/follow.ts';
import type { EventPage } from '../client/page.ts';
import { addConnectionOptions, type ConnectionOptions, connect } from './connect.ts';
import { eventLine } from './event-line.ts';
import { addFilterOptions, type FilterOptions, filterOf } from './filter-options.ts';
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
    if (follow || since !== undefined) await goOn(start);

    async function showNewest(most: number): Promise<Start> {
      // Asked for first: whatever is recorded while the newest matching ones are looked for comes after it.
      const { nodes: heads } = await client.events<object>(null, { journal, first: 1, fields: '', signal });
      const nodes = await readNewest({ client, journal, filter, fields, signal }, most);
      for (const node of nodes.reverse()) await show(node);
      const after = nodes.at(-1)?.cursor ?? heads[0]?.cursor;
      return after === undefined ? { from: 'BEGINNING' } : { after };
    }

    async function goOn(from: Start): Promise<void> {
      const report = createReport();
      const enough = new AbortController();
      const events = client.follow<Node>(filter, {
        ...from,
        journal,
        fields,
        signal: AbortSignal.any([signal, enough.signal]),
        onGap: ({ reason }) => note(reason),
        onState(state) {
          report(state);
          if (state.state === 'live' && !follow) enough.abort();
        },
      });
      for await (const event of events) await show(event);
    }
  } catch (error) {
    // Ctrl-C while a request is under way.
    if (!signal.aborted) throw error;
  }
}

type Start = Pick<FollowOptions, 'after' | 'from'>;

function startOf(since: string | undefined): Start {
  if (since === undefined || since === 'now') return { from: 'NOW' };
  return since === 'beginning' ? { from: 'BEGINNING' } : { after: since };
}

interface NewestQuery {
  readonly client: Client;
  readonly journal: string;
  readonly filter: EventFilter | null;
  readonly fields: string;
  readonly signal: AbortSignal;
}

/** Newest first. */
async function readNewest({ client, filter, ...query }: NewestQuery, most: number): Promise<Node[]> {
  const found: Node[] = [];
  let after: string | null = null;
  for (let isMore = true; isMore && found.length < most; ) {
    const first = Math.min(PAGE, most - found.length);
    const { nodes, pageInfo }: EventPage<Node> = await client.events<Node>(filter, {
      ...query,
      first,
      after,
    });
    found.push(...nodes);
    after = pageInfo.endCursor;
    isMore = pageInfo.hasNextPage;
  }
  return found;
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
function createReport(): (state: FollowState) => void {
  let isLost = false;
  return (state) => {
    if (state.state === 'lost' && !isLost) note(`${state.reason.message} Trying again …`);
    const isBack = state.state === 'catching-up' || state.state === 'live';
    if (isBack && isLost) note('Connected again.');
    isLost = state.state === 'lost' || (isLost && !isBack);
  };
}

function note(sentence: string): void {
  process.stderr.write(`${colorsFor(process.stderr).dim(plainText(sentence))}\n`);
}

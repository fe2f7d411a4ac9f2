/**
 * Records a batch of lines. The server takes a mutation as a whole or not at all; here a line that it
 * refuses is put aside and the rest is sent again, under the same ids, until all that can be recorded is.
 *
 *     send ──▶ recorded
 *       ├───▶ refused, with the line's index ──▶ put it aside, send the rest
 *       ├───▶ refused, without: too large as a whole, or unexpected ──▶ send it in halves
 *       └───▶ the token or this program is not accepted ──▶ throws: no line would fare better
 */
import type { Client } from '../client/client.ts';
import { EventreeClientError } from '../client/errors.ts';
import { type EventInput, type ParsedLine, stamped } from './import-line.ts';
import type { Patience } from './patience.ts';

export interface NumberedLine extends ParsedLine {
  readonly number: number;
}

export interface Refusal {
  readonly line: number;
  readonly code: string;
  readonly message: string;
}

export interface BatchOutcome {
  readonly recorded: number;
  /** From an earlier import, or earlier in this one. */
  readonly alreadyThere: number;
  /** Of a disabled type: accepted and not kept. */
  readonly notKept: number;
  readonly refused: readonly Refusal[];
}

export interface SenderOptions {
  readonly client: Client;
  readonly patiently: Patience;
  readonly now?: () => number;
}

interface Item {
  readonly line: number;
  readonly input: EventInput;
}

interface Answered {
  readonly id: string;
  readonly kept: boolean;
}

const RECORD = `mutation ($input: [RecordEventInput!]!) { recordEvents(input: $input) { events { id kept } } }`;
/** The most aliases that an operation may have. */
const LOOK_UP_AT_ONCE = 100;

const HOPELESS = ['UNREACHABLE', 'UNAVAILABLE', 'RATE_LIMITED', 'BAD_RESPONSE', 'UNAUTHENTICATED'];

/** @returns a function that records lines of one journal, in their order. */
export function createSender(
  options: SenderOptions,
): (lines: readonly NumberedLine[]) => Promise<BatchOutcome> {
  const { client, patiently, now = Date.now } = options;

  return async (lines) => {
    const there = await lookUp(lines.map(({ input }) => input.id));
    const first = new Date(now()).toISOString();
    const items = lines.map(({ number, input, isTimeless }) => ({
      line: number,
      input: isTimeless && !there.has(input.id) ? stamped(input, first) : input,
    }));
    const outcome = { recorded: 0, alreadyThere: 0, notKept: 0, refused: [] as Refusal[] };
    for (const { id, kept } of await send(items, outcome.refused)) {
      if (!kept) outcome.notKept++;
      else if (there.has(id)) outcome.alreadyThere++;
      else outcome.recorded++;
      there.add(id);
    }
    return outcome;
  };

  async function send(items: readonly Item[], refused: Refusal[]): Promise<Answered[]> {
    let rest = items;
    while (rest.length > 0) {
      try {
        const input = rest.map((item) => item.input);
        const data = await patiently(() =>
          client.query<{ recordEvents: { events: Answered[] } }>(RECORD, { input }),
        );
        return data.recordEvents.events;
      } catch (error) {
        if (!(error instanceof EventreeClientError) || isHopeless(error)) throw error;
        const blamed = blame(error, rest);
        if (blamed === null) {
          const half = Math.ceil(rest.length / 2);
          const events = await send(rest.slice(0, half), refused);
          return [...events, ...(await send(rest.slice(half), refused))];
        }
        for (const [index, { code, message }] of blamed) {
          refused.push({ line: (rest[index] as Item).line, code, message: inItsWords(message) });
        }
        rest = rest.filter((_, index) => !blamed.has(index));
      }
    }
    return [];
  }

  /** Those of the ids that are in a journal already, as far as whoever imports may see it. */
  async function lookUp(ids: readonly string[]): Promise<Set<string>> {
    const found = new Set<string>();
    for (let at = 0; at < ids.length; at += LOOK_UP_AT_ONCE) {
      const some = ids.slice(at, at + LOOK_UP_AT_ONCE);
      const variables = Object.fromEntries(some.map((id, n) => [`i${n}`, id]));
      const query = `query (${some.map((_, n) => `$i${n}: ID!`).join(' ')}) { ${some.map((_, n) => `e${n}: event(id: $i${n}) { id }`).join(' ')} }`;
      const data = await patiently(() =>
        client.query<Record<string, { id: string } | null>>(query, variables),
      );
      for (const event of Object.values(data)) if (event !== null) found.add(event.id);
    }
    return found;
  }
}

function isHopeless({ code }: EventreeClientError): boolean {
  return HOPELESS.includes(code) || code.startsWith('GRAPHQL_');
}

/** Which of the events the server refuses, and why; null where it is not said, or not about one of them. */
function blame(error: EventreeClientError, items: readonly Item[]): Map<number, EventreeClientError> | null {
  if (items.length === 1) return new Map([[0, error]]);
  // What is too large may be the batch.
  if (error.code === 'LIMIT_EXCEEDED') return null;
  const blamed = new Map<number, EventreeClientError>();
  for (const one of error.all) {
    const index = one.facts.index ?? indexInVariables(one.message);
    if (typeof index === 'number' && index in items && !blamed.has(index)) blamed.set(index, one);
  }
  return blamed.size === 0 ? null : blamed;
}

/** GraphQL tells the place of a value that is not of its type in its sentence only. */
function indexInVariables(message: string): number | undefined {
  const index = / at "input\[(\d+)\]/.exec(message)?.[1];
  return index === undefined ? undefined : Number(index);
}

/** Without `Variable "$input" got invalid value … at "input[3].resource"; `, which quotes the whole event. */
function inItsWords(message: string): string {
  const [, field, sentence] =
    /^Variable "\$input" got invalid value [\s\S]* at "input\[\d+\]\.?([^"]*)"; ([\s\S]+)$/.exec(message) ??
    [];
  if (sentence === undefined) return message;
  return field === '' ? sentence : `${field}: ${sentence}`;
}

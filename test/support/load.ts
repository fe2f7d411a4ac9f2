/**
 * Writers under load, who do what a careful client does: give each event its id, and send a batch again
 * under the same ids until they are told what became of it. Some give up at the first failure: of those
 * events nobody knows.
 */
import { v7 } from 'uuid';
import { vi } from 'vitest';
import { pause } from '../../src/base/retry.ts';
import type { Outcomes } from './history.ts';
import type { Answer } from './world.ts';

export const RECORD = `mutation ($input: [RecordEventInput!]!) {
  recordEvents(input: $input) { events { id position } }
}`;

/** What no event has. */
export const NOBODYS_ID = '01900000-0000-7000-8000-000000000000';

export interface NewEvent {
  readonly id: string;
  readonly type: string;
  readonly resource: string;
  readonly [field: string]: unknown;
}

export interface LoadOptions {
  readonly writers: number;
  /** Records a batch. Rejects where there is no answer. */
  readonly send: (input: readonly NewEvent[], writer: number) => Promise<Answer>;
  readonly outcomes: Outcomes;
  /** Events are about `page/0`, `page/1`, …; 5 of them. */
  readonly pages?: number;
  /** Most events of a batch; 20. */
  readonly mostEvents?: number;
  /** Of 10 batches that fail, so many are not sent again; none. */
  readonly givenUp?: number;
  /** Between two batches of a writer; 2 ms. */
  readonly pauseMs?: number;
}

export interface Load {
  /** What was answered other than events: codes of errors, and `nothing` where no answer came. */
  readonly answers: ReadonlyMap<string, number>;
  /** Resolves when so many more events have been acknowledged. */
  more(events: number): Promise<void>;
  /** Resolves when every writer has its last answer. */
  stop(): Promise<void>;
}

export function startLoad(options: LoadOptions): Load {
  const { outcomes, send, writers, pages = 5, mostEvents = 20, givenUp = 0, pauseMs = 2 } = options;
  const answers = new Map<string, number>();
  let stopping = false;
  let batches = 0;

  async function write(writer: number): Promise<void> {
    while (!stopping) {
      const input = newEvents(1 + Math.floor(Math.random() * mostEvents), pages);
      const isBad = batches++ % 7 === 3;
      await record(isBad ? withBadParent(input) : input, writer);
      await pause(pauseMs);
    }
  }

  async function record(input: readonly NewEvent[], writer: number): Promise<void> {
    const ids = input.map(({ id }) => id);
    for (let attempt = 0; ; attempt++) {
      const answer: Answer = await send(input, writer).catch(() => ({}));
      if (answer.data?.recordEvents) {
        outcomes.acknowledged.push(...answer.data.recordEvents.events);
        return;
      }
      const code = String(answer.errors?.[0]?.extensions.code ?? 'nothing');
      answers.set(code, (answers.get(code) ?? 0) + 1);
      if (code !== 'nothing' && code !== 'UNAVAILABLE') {
        for (const id of ids) outcomes.refused.add(id);
        return;
      }
      if (Math.random() * 10 < givenUp) {
        for (const id of ids) outcomes.unknown.add(id);
        return;
      }
      await pause(Math.min(200, 10 * 2 ** attempt));
    }
  }

  const writing = Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
  // Whoever stops the load waits for it.
  writing.catch(() => {});
  return {
    answers,
    async more(events) {
      const wanted = outcomes.acknowledged.length + events;
      await vi.waitUntil(() => outcomes.acknowledged.length >= wanted, { timeout: 30_000, interval: 5 });
    },
    async stop() {
      stopping = true;
      await writing;
    },
  };
}

export function newEvents(count: number, pages = 5): NewEvent[] {
  return Array.from({ length: count }, (_, nth) => {
    const id = v7();
    return { id, type: 'note', resource: `page/${nth % pages}`, message: id };
  });
}

/** Refused as a whole, for its last event. */
function withBadParent(input: readonly NewEvent[]): NewEvent[] {
  return input.map((event, nth) => (nth === input.length - 1 ? { ...event, parentId: NOBODYS_ID } : event));
}

/** How events get in: by the public API where there is one, else by asking for frames that are ready. */
import { type Connection, encodeRequest, openConnection } from '../support/raw-http.ts';
import type { Plan } from './plan.ts';
import { eventOf, keyOf, markOf, RECORD, type Traffic } from './traffic.ts';

export interface Feed {
  /**
   * Resolves when the server has answered. Calls under way together go over connections of their own.
   *
   * @param mark in place of the events' numbers.
   */
  record(numbers: readonly number[], mark?: string): Promise<void>;
}

/** What is sent to a server of ready frames: whom each is for, and what it is marked with. */
export interface ReadyRequest {
  readonly frames: readonly { readonly key: string; readonly mark: string }[];
}

/** Node.js closes connections that are idle for 5 s. */
const LONGEST_IDLE_MS = 2_000;

export function createFeed(feeds: Plan['feeds'], port: number, token: string, traffic: Traffic): Feed {
  const idle: { readonly connection: Connection; readonly since: number }[] = [];

  /** One that the server has surely not closed for having been idle. */
  async function takeConnection(): Promise<Connection> {
    for (let last = idle.pop(); last !== undefined; last = idle.pop()) {
      if (performance.now() - last.since < LONGEST_IDLE_MS) return last.connection;
      last.connection.close();
    }
    return openConnection(port);
  }

  const bodyOf = (numbers: readonly number[], mark?: string): object =>
    feeds === 'graphql'
      ? { query: RECORD, variables: { input: numbers.map((number) => eventOf(traffic, number, mark)) } }
      : ({
          frames: numbers.map((number) => ({ key: keyOf(traffic, number), mark: mark ?? markOf(number) })),
        } satisfies ReadyRequest);

  return {
    async record(numbers, mark) {
      const request = encodeRequest(port, token, JSON.stringify(bodyOf(numbers, mark)));
      const connection = await takeConnection();
      const answer = await connection.send(request);
      if (answer.includes('"errors"')) throw new Error(`The server refused: ${answer.slice(0, 500)}`);
      idle.push({ connection, since: performance.now() });
    },
  };
}

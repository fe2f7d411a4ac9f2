/**
 * What stands between a recorder and a server: an HTTP server that passes requests on, remembers them, and answers in
 * the server's place what a test tells it to.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface Asked {
  /** Its name: `Record`, `OpenMarkers`, … */
  readonly operation: string;
  readonly body: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into inputs of every shape.
  readonly variables: any;
}

export interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly text: string;
  /** The answer does not end behind the text. */
  readonly isEndless?: boolean;
}

/** Null: the server answers. A promise that never resolves: nobody does. */
export type Answering = (asked: Asked) => Reply | null | Promise<Reply | null>;

export interface Gateway {
  readonly url: string;
  /** All requests so far. */
  readonly asked: Asked[];
  /** Those of one operation. */
  of(operation: string): Asked[];
  /** Answers from now on. */
  answer(answering: Answering): void;
  /** Answers whose connection was closed before they had ended. */
  cut(): number;
  /** Is called between the server's answer and passing that on. */
  onAnswered(callback: () => void): void;
}

export async function startGateway(target: string | null): Promise<Gateway> {
  const asked: Asked[] = [];
  let answering: Answering = () => null;
  let onAnswered = () => {};
  let cut = 0;

  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString();
    const { query, variables } = JSON.parse(body);
    const one = { operation: /(?:mutation|query) (\w+)/.exec(query)?.[1] ?? '', body, variables };
    asked.push(one);
    const reply = (await answering(one)) ?? (await passOn(String(target), request.headers, body));
    onAnswered();
    response.writeHead(reply.status ?? 200, { 'content-type': 'application/json', ...reply.headers });
    response.on('close', () => {
      if (!response.writableFinished) cut++;
    });
    if (reply.isEndless) response.write(reply.text);
    else response.end(reply.text);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    of: (operation) => asked.filter((each) => each.operation === operation),
    answer(given) {
      answering = given;
    },
    cut: () => cut,
    onAnswered(callback) {
      onAnswered = callback;
    },
  };
}

async function passOn(target: string, headers: NodeJS.Dict<string | string[]>, body: string): Promise<Reply> {
  const { authorization = '' } = headers;
  const response = await fetch(`${target}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: String(authorization) },
    body,
  });
  return { status: response.status, text: await response.text() };
}

/** An answer of GraphQL with one error. */
export function refusal(code: string, facts: object = {}): Reply {
  return { text: JSON.stringify({ errors: [{ message: `told: ${code}`, extensions: { code, ...facts } }] }) };
}

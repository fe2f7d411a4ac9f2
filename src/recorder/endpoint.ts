/**
 * Where a recorder's requests go. By Node's own HTTP client over connections that are kept: `fetch` takes twice the
 * processor time for a request, and calls with a marker send two.
 */
import * as http from 'node:http';
import * as https from 'node:https';
import { createClient } from '../client/client.ts';
import type { Endpoint, HttpAnswer, Posted } from '../client/request.ts';
import { createTokens, type TokenSource } from '../client/token.ts';

export interface OpenEndpoint extends Endpoint {
  /** Closes the connections; requests under way fail. */
  close(): void;
}

const MEGABYTE = 1024 * 1024;
/** Of an answer. What is longer is none of Eventree's, and may never end: it is told of in its place. */
const MOST_BYTES = 64 * MEGABYTE;

/** @throws TypeError for a URL that is none. */
export function openEndpoint(given: string, token: string | null | TokenSource): OpenEndpoint {
  const { url } = createClient({ url: given });
  const { Agent, request } = url.startsWith('https:') ? https : http;
  const agent = new Agent({ keepAlive: true });

  /**
   * @param isAgain a connection that was kept was closed as this was sent. Whether the server has seen it is not known,
   *   and need not be: what a recorder sends adds nothing when it comes twice.
   */
  function send(target: string, posted: Posted, isAgain: boolean): Promise<HttpAnswer> {
    const { headers, body, signal } = posted;
    const bytes = Buffer.from(body);
    return new Promise((resolve, reject) => {
      const fail = (error: Error) => reject(signal.aborted ? signal.reason : error);
      const sent = request(
        target,
        { method: 'POST', agent, signal, headers: { ...headers, 'content-length': bytes.length } },
        (answer) => {
          const status = answer.statusCode as number;
          const { location } = answer.headers;
          const chunks: Buffer[] = [];
          let length = 0;
          answer.on('data', (chunk: Buffer) => {
            length += chunk.length;
            chunks.push(chunk);
            if (length <= MOST_BYTES) return;
            resolve({ status, text: `more than ${MOST_BYTES / MEGABYTE} MB` });
            sent.destroy();
          });
          answer.on('end', () => {
            const isElsewhere = status >= 300 && status < 400 && location !== undefined;
            const text = isElsewhere ? redirect(target, location) : Buffer.concat(chunks).toString();
            resolve({ status, text });
          });
          answer.on('error', fail);
        },
      );
      sent.on('error', (error: NodeJS.ErrnoException) => {
        const wasClosed = sent.reusedSocket && error.code === 'ECONNRESET';
        if (wasClosed && !isAgain && !signal.aborted) resolve(send(target, posted, true));
        else fail(error);
      });
      sent.end(bytes);
    });
  }

  return {
    url,
    tokens: createTokens(token),
    post: (target, posted) => send(target, posted, false),
    close: () => agent.destroy(),
  };
}

/** Told in place of an answer: it is not followed, as the token is meant for the server that was named. */
function redirect(target: string, location: string): string {
  const url = URL.canParse(location, target) ? new URL(location, target).href : location;
  return `set \`url\` to where it redirects to, ${url}`;
}

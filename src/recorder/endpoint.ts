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
          const chunks: Buffer[] = [];
          answer.on('data', (chunk: Buffer) => chunks.push(chunk));
          answer.on('end', () => {
            resolve({ status: answer.statusCode as number, text: Buffer.concat(chunks).toString() });
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

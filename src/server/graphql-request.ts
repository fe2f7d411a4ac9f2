/** What is common to GraphQL by HTTP, be it answered at once or by a stream: the request. */
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { type ExecutionArgs, getOperationAST } from 'graphql';
import { parseRequestParams, type Request, type RequestParams, type Response } from 'graphql-http';
import type { Principal } from '../access/principal.ts';
import { EventreeError, messageOf } from '../base/errors.ts';
import { isNamed, type Named } from '../graphql/persisted.ts';

export interface GraphqlRequestContext {
  readonly principal: Principal;
  readonly requestId: string;
}

/** A request to graphql-http, with who sent it. */
export type GraphqlRequest = Request<IncomingMessage, GraphqlRequestContext>;

/** The body as text, or why it is not taken. */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<string | EventreeError> {
  return new Promise((resolve, reject) => {
    const refuse = () =>
      resolve(
        new EventreeError(
          'LIMIT_EXCEEDED',
          `The request is larger than ${maxBytes} bytes: send it in parts.`,
        ),
      );
    if (Number(request.headers['content-length'] ?? 0) > maxBytes) return refuse();
    const parts: Buffer[] = [];
    let bytes = 0;
    // By events: an async iterator costs as much here as all of what follows.
    request.on('data', (part: Buffer) => {
      bytes += part.length;
      if (bytes <= maxBytes) parts.push(part);
      else refuse();
    });
    request.on('end', () => {
      const body = Buffer.concat(parts);
      // Decoding would put U+FFFD for what is not UTF-8, and that would be recorded.
      resolve(isUtf8(body) ? body.toString('utf8') : malformed('its text is not UTF-8'));
    });
    request.on('error', reject);
  });
}

/** What is asked for, by its text or by its name (graphql/persisted.ts). */
export interface NamedParams extends RequestParams {
  readonly documentId?: unknown;
}

/** @throws BAD_USER_INPUT */
export async function readParams(request: GraphqlRequest): Promise<NamedParams | Response> {
  const { method, url, body } = request;
  let documentId: unknown;
  try {
    const params =
      method === 'GET'
        ? await parseRequestParams({ ...request, url: readUrl(url) })
        : await parseRequestParams({ ...request, body: body && (() => readJson(String(body))) });
    return Array.isArray(params) ? params : Object.assign(params, { documentId });
  } catch (error) {
    throw malformed(messageOf(error));
  }

  // graphql-http asks for a text: where an operation is named instead, it is empty.

  function readUrl(given: string): string {
    const [path, search] = given.split('?', 2);
    const parameters = new URLSearchParams(search);
    documentId = parameters.get('documentId');
    const mayBeNamed = documentId !== null || parameters.has('extensions');
    return mayBeNamed && !parameters.has('query') ? `${path}?${search}&query=` : given;
  }

  function readJson(text: string): Record<string, unknown> | null {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return null;
    const operation = value as Named;
    documentId = operation.documentId;
    return isNamed(operation)
      ? { ...operation, query: operation.query ?? '' }
      : (value as Record<string, unknown>);
  }
}

/** A link on another site makes a browser send a GET: it must change nothing. */
export function isMutationByGet({ document, operationName }: ExecutionArgs, method: string): boolean {
  return method === 'GET' && getOperationAST(document, operationName)?.operation === 'mutation';
}

export const MUTATION_BY_GET = new EventreeError('BAD_USER_INPUT', 'A mutation is sent by POST.');

function malformed(reason: string): EventreeError {
  return new EventreeError('BAD_USER_INPUT', `The request is not GraphQL over HTTP: ${reason}.`);
}

/**
 * Persisted operations: texts that the server knows beforehand, which clients name by their hash. It saves
 * sending them, and where nothing else may be run, a stranger's operation is not even parsed.
 *
 * Two ways to name one are understood: `documentId: "sha256:<hash>"` (GraphQL over HTTP, appendix A) and
 * Apollo's `extensions: { persistedQuery: { version: 1, sha256Hash: "<hash>" } }`. An empty text stands for
 * none, because over WebSocket the protocol wants one. Nothing that a client sends is ever remembered under
 * its hash: the list is the operator's.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { GraphQLError } from 'graphql';
import { z } from 'zod';
import { messageOf, StartError } from '../base/errors.ts';
import { refusal } from './errors.ts';

/** `allow`: beside any other text. `only`: nothing else is run, be it asked for by its text or by its hash. */
export type PersistedMode = 'off' | 'allow' | 'only';

export interface Named {
  readonly query?: string | null | undefined;
  readonly documentId?: unknown;
  readonly extensions?: Readonly<Record<string, unknown>> | null | undefined;
}

/** The text to run, or why none is. */
export type FindText = (operation: Named) => string | GraphQLError;

const SHA256 = /^[0-9a-f]{64}$/;
const PREFIX = 'sha256:';
/** Clients know these by heart, word for word: they send the text next, or never a hash again. */
const NOT_FOUND = 'PersistedQueryNotFound';
const NOT_SUPPORTED = 'PersistedQueryNotSupported';

/** @param texts by their hash. */
export function createFindText(mode: PersistedMode, texts: ReadonlyMap<string, string>): FindText {
  const known = new Set(texts.values());
  return (operation) => {
    const text = operation.query ?? '';
    if (mode === 'off') {
      if (text !== '' || !isNamed(operation)) return text;
      return refusal('BAD_USER_INPUT', NOT_SUPPORTED, {
        hint: 'This server takes operations by their text.',
      });
    }
    // Compared as it stands, so that what is not on the list costs next to nothing.
    if (mode === 'only' && text !== '' && !known.has(text)) {
      return refusal('FORBIDDEN', 'This server runs persisted operations only: name one by its hash.');
    }
    if (!isNamed(operation)) return text;
    const hash = hashOf(operation);
    if (hash === null) {
      const sentence =
        'A persisted operation is named by `sha256:` and 64 digits, or by version 1 of persistedQuery.';
      return refusal('BAD_USER_INPUT', sentence);
    }
    const found = texts.get(hash);
    if (text === '') {
      return found ?? refusal('NOT_FOUND', NOT_FOUND, { hint: 'No persisted operation has this hash.' });
    }
    if (text === found || hash === sha256(text)) return text;
    return refusal('BAD_USER_INPUT', 'The hash is not that of the text: send the one or the other.');
  };
}

/** Whether a request names a text instead of sending it. */
export function isNamed({ documentId, extensions }: Named): boolean {
  return documentId != null || extensions?.persistedQuery != null;
}

/** Null where it is none that could be on a list. */
function hashOf({ documentId, extensions }: Named): string | null {
  const { version, sha256Hash } = (extensions?.persistedQuery ?? {}) as Readonly<Record<string, unknown>>;
  const given = documentId == null ? version === 1 && sha256Hash : withoutPrefix(documentId);
  return typeof given === 'string' && SHA256.test(given) ? given : null;
}

function withoutPrefix(documentId: unknown): string | null {
  return String(documentId).startsWith(PREFIX) ? String(documentId).slice(PREFIX.length) : null;
}

/**
 * Reads a list: a JSON object of texts by their hash.
 *
 * @throws StartError that names the file and what is wrong in it.
 */
export async function readPersistedOperations(file: string): Promise<ReadonlyMap<string, string>> {
  const content = z.record(z.string(), z.string()).safeParse(await readJson(file));
  if (!content.success) {
    throw new StartError(`The persisted operations in ${file} must be a JSON object of texts by their hash.`);
  }
  const texts = new Map<string, string>();
  for (const [name, text] of Object.entries(content.data)) {
    const hash = withoutPrefix(name) ?? name;
    if (hash !== sha256(text)) {
      throw new StartError(
        `The persisted operations in ${file} are not valid: ${name} is not the SHA-256 hash of its text.`,
      );
    }
    texts.set(hash, text);
  }
  return texts;
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw new StartError(`The persisted operations in ${file} cannot be read: ${messageOf(error)}.`);
  }
}

/** In lower-case hexadecimal digits. */
function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

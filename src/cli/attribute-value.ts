/**
 * Attributes on the command line, `name=value`: what is written there is text, and what it means depends on
 * the attribute's declared kind, which the server knows.
 */
import type { Client } from '../client/client.ts';

export type AttributeKinds = ReadonlyMap<string, string>;

interface Declared {
  readonly name: string;
  readonly kind: string;
}

/** Of all attributes that are declared. */
export async function attributeKinds(client: Client, signal?: AbortSignal): Promise<AttributeKinds> {
  const query = '{ attributes { name kind } }';
  const { attributes } = await client.query<{ attributes: readonly Declared[] }>(
    query,
    {},
    signal === undefined ? {} : { signal },
  );
  return new Map(attributes.map(({ name, kind }) => [name, kind]));
}

/**
 * The value that a text stands for. Text that is no value of the kind stays text: the server refuses it
 * with a sentence that names the attribute, and there is one place that knows what a kind holds.
 */
export function attributeValue(text: string, kind: string | undefined): unknown {
  switch (kind) {
    case 'INTEGER':
    case 'FLOAT': {
      const number = text.trim() === '' ? Number.NaN : Number(text);
      return Number.isFinite(number) ? number : text;
    }
    case 'BOOLEAN':
      return text === 'true' ? true : text === 'false' ? false : text;
    case 'JSON':
      try {
        return JSON.parse(text);
      } catch {
        return text;
      }
    default:
      return text;
  }
}

/**
 * Declarations of attributes and event types as a file has them: what `eventree.types.ts` exports and
 * `eventree.types.json` holds. The built-in ones (builtin.ts) have the same shape.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { createJiti } from 'jiti';
import { z } from 'zod';
import { messageOf, StartError } from '../base/errors.ts';
import { ATTRIBUTE_KINDS } from './attribute.ts';
import { CATEGORIES, SEVERITIES } from './event.ts';

const attribute = z.strictObject({
  kind: z.enum(ATTRIBUTE_KINDS),
  description: z.string().optional(),
  /** Whether filters on it are answered by the index. Leave unique values, such as trace ids, out. */
  indexed: z.boolean().default(true),
  /** Shown to owners of the resource only. */
  private: z.boolean().default(false),
});

const eventType = z.strictObject({
  category: z.enum(CATEGORIES),
  severity: z.enum(SEVERITIES).default('MEDIUM'),
  description: z.string().optional(),
  /** e.g. `{actor} renamed {resource}: {old} → {new}` */
  messageTemplate: z.string().optional(),
  /** Names of attributes; `true` for those that every event of the type must have. */
  attributes: z.record(z.string(), z.strictObject({ required: z.boolean().default(false) })).default({}),
  enabled: z.boolean().default(true),
});

const declarations = z.strictObject({
  attributes: z.record(z.string(), attribute).default({}),
  eventTypes: z.record(z.string(), eventType).default({}),
});

/** As it is written in a file. */
export type DeclarationsInput = z.input<typeof declarations>;
export type Declarations = z.output<typeof declarations>;

/** Gives a declaration file its types: `export default defineTypes({ … })`. */
export function defineTypes(input: DeclarationsInput): DeclarationsInput {
  return input;
}

export function parseDeclarations(input: unknown): Declarations {
  return declarations.parse(input);
}

const USUAL_FILES = ['eventree.types.ts', 'eventree.types.json'];

/**
 * @param file as configured; undefined: one of the usual names in the working folder, if there is one.
 * @throws StartError that names the file and the place in it.
 */
export async function readDeclarationFile(
  file: string | undefined,
  folder = process.cwd(),
): Promise<{ file: string; declarations: Declarations } | null> {
  const path = resolve(folder, file ?? USUAL_FILES.find((name) => existsSync(resolve(folder, name))) ?? '');
  if (file === undefined && path === resolve(folder)) return null;
  const content = await readContent(path);
  const checked = declarations.safeParse(content);
  if (checked.success) return { file: path, declarations: checked.data };
  const [issue] = checked.error.issues;
  throw new StartError(
    `The declaration file ${path} is not valid at ${issue?.path.join('.') || 'its top'}: ${issue?.message}.`,
  );
}

async function readContent(path: string): Promise<unknown> {
  try {
    if (path.endsWith('.json')) return JSON.parse(await readFile(path, 'utf8'));
    return await createJiti(import.meta.url).import(path, { default: true });
  } catch (error) {
    throw new StartError(`The declaration file ${path} cannot be read: ${messageOf(error)}.`);
  }
}

/**
 * What is told of an error that a call has ended with: the attributes `error`, `error_value`, `where` and `stack`.
 * The error itself is not touched.
 */
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Json } from '../base/json.ts';
import { withoutDetails } from './database-details.ts';
import { cleanText, type Redactor } from './redact.ts';

/** Whether an error belongs to what the function is for, as a refusal does: its stack is then not kept. */
export type IsExpected = (error: unknown) => boolean;

export interface FailureFacts {
  readonly error: string;
  readonly error_value?: Json;
  readonly where?: string;
  readonly stack?: string;
}

/** An attribute of kind STRING holds no more. */
const MOST_CHARS = 10_000;
const MOST_NAME_CHARS = 255;
const MOST_FRAMES = 50;
const MOST_LINE_CHARS = 1_000;

/** Never throws: the error that is told of is the application's, and goes on to it. */
export function failureFacts(error: unknown, redactor: Redactor, isExpected: IsExpected): FailureFacts {
  const stack = stackOf(error);
  // Where a process works may be gone, as after a new version was put there.
  const folder = read(() => process.cwd()) ?? '/';
  const where =
    stack === undefined
      ? undefined
      : whereOf(
          framesOf(stack, error),
          folder,
          read(() => classesOf(error)),
        );
  const said = redactor.json(read(() => saidBy(error)));
  const { value, withoutQuotes } = withoutDetails(said ?? null);
  // By themselves: what is taken out of a message up to its end leaves the frames.
  const safeStack = (whole: string) => {
    const frames = framesOf(whole, error);
    return redactor.text(withoutQuotes(whole.slice(0, whole.length - frames.length))) + frames;
  };
  const isWanted = stack !== undefined && !judged(error, isExpected);
  return {
    error: nameOf(error),
    ...(said !== undefined && { error_value: typeof value === 'string' ? redactor.text(value) : value }),
    ...(where !== undefined && { where: cleanText(where).slice(-MOST_NAME_CHARS) }),
    ...(isWanted && { stack: redactor.text(safeStack(stack), MOST_CHARS) }),
  };
}

/**
 * One that says so (`expected: true`), one with a status of HTTP that blames the client (4xx), and an error of
 * GraphQL that was given a code of its own.
 */
export function isExpectedError(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  const { expected, status, statusCode, name, extensions } = error as Readonly<Record<string, unknown>>;
  if (expected === true || isClients(status) || isClients(statusCode)) return true;
  if (name !== 'GraphQLError') return false;
  const { code } = (extensions ?? {}) as { readonly code?: unknown };
  return typeof code === 'string' && code !== 'INTERNAL_SERVER_ERROR';
}

/** Where this package lies: a link to it does not lead through node_modules. Part of a bundle, it has no folder. */
export function ownFolders(file: string): string[] {
  const root = /^(file:.*\/)(?:src|dist)\/recorder\/failure\.[jt]s$/.exec(file)?.[1];
  // By its source maps, what is in `dist` tells that it is in `src`.
  return root === undefined ? [] : ['src/', 'dist/'].map((folder) => fileURLToPath(new URL(folder, root)));
}

const OWN_FOLDERS = ownFolders(import.meta.url);

/**
 * The first place in a stack that is neither of a library nor of Node.js: `src/bank.ts:17`, from the working folder.
 *
 * @param classes of the error: where it was made by a constructor of its own, that is not where it was raised.
 * @param own folders of the recorder itself, which is a library too.
 */
export function whereOf(
  stack: string,
  folder: string,
  classes: readonly string[] = [],
  own: readonly string[] = OWN_FOLDERS,
): string | undefined {
  for (const line of stack.split('\n', MOST_FRAMES)) {
    if (line.length > MOST_LINE_CHARS) continue;
    const maker = /^\s+at new ([\w$.]+) /.exec(line)?.[1];
    if (maker !== undefined && classes.includes(maker)) continue;
    const place = /^\s+at (?:.* \()?(?:async )?(.+?):(\d+):\d+\)?$/.exec(line);
    if (place === null) continue;
    const [, file = '', row] = place;
    if (/^node:|[\\/]node_modules[\\/]|^<|^native|^eval/.test(file)) continue;
    const path = pathOf(file);
    if (own.some((start) => path.startsWith(start))) continue;
    return `${relative(folder, path)}:${row}`;
  }
  return undefined;
}

/** What stands behind the message, in which somebody may have written what looks like a place. */
function framesOf(stack: string, error: unknown): string {
  const message = read(() => (error as Error).message);
  const start = typeof message === 'string' && message !== '' ? stack.indexOf(message) : -1;
  return start === -1 ? stack : stack.slice(start + (message as string).length);
}

/** Names of its class and of those that this extends. */
function classesOf(error: unknown): string[] {
  const names: string[] = [];
  for (let at = Object.getPrototypeOf(error); at !== null; at = Object.getPrototypeOf(at)) {
    names.push(String(at.constructor?.name));
  }
  return names;
}

function pathOf(file: string): string {
  if (!file.startsWith('file://')) return file;
  try {
    return fileURLToPath(file);
  } catch {
    return file;
  }
}

function isClients(status: unknown): boolean {
  return typeof status === 'number' && status >= 400 && status < 500;
}

/** By what is asked to judge; what fails to is not obeyed. */
function judged(error: unknown, isExpected: IsExpected): boolean {
  try {
    return isExpected(error);
  } catch {
    return false;
  }
}

/** `Bank::Errors.InsufficientFunds` → `InsufficientFunds` */
function nameOf(error: unknown): string {
  const name = read(() => fullNameOf(error)) || 'Error';
  const last = name.split(/\.|::/).at(-1) || name;
  return cleanText(last).slice(0, MOST_NAME_CHARS);
}

function fullNameOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return typeof error;
  const { name } = error as { readonly name?: unknown };
  // A class that extends Error has that name too, unless it sets one.
  if (typeof name === 'string' && name !== '' && name !== 'Error') return name;
  const made: unknown = error.constructor?.name;
  return typeof made === 'string' ? made : 'Error';
}

function saidBy(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { name: _, message: __, stack: ___, ...own } = error;
  return Object.keys(own).length === 0 ? error.message : { ...own, message: error.message };
}

function stackOf(error: unknown): string | undefined {
  const stack = read(() => (error as { readonly stack?: unknown } | null | undefined)?.stack);
  return typeof stack === 'string' ? stack : undefined;
}

/** What an application's own objects do when they are looked at is theirs. */
function read<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

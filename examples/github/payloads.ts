/**
 * The payloads of the npm package `@octokit/webhooks-examples`: what GitHub sent to webhooks of real
 * repositories, with names and numbers made anonymous by those who gave them. And how to read in one.
 */
import { createRequire } from 'node:module';
import type { Json, JsonObject } from '../../src/base/json.ts';

export type Payload = JsonObject;

/** One payload as GitHub would have delivered it. */
export interface Delivery {
  /** GitHub's name of the event, e.g. `issues`. */
  readonly event: string;
  /** e.g. `opened`; null for events that are of one sort only, such as `push`. */
  readonly action: string | null;
  readonly payload: Payload;
  /** Where it stands in the package, e.g. `api.github.com/issues/15`: its identity, in the end its id. */
  readonly place: string;
}

/** All of them, in the package's order. */
export function readDeliveries(): Delivery[] {
  // The file is part of a pinned package, which states this shape.
  const events: { name: string; examples: Payload[] }[] = createRequire(import.meta.url)(
    '@octokit/webhooks-examples/api.github.com/index.json',
  );
  return events.flatMap(({ name, examples }) =>
    examples.map((payload, nth) => ({
      event: name,
      action: text(payload, 'action') ?? null,
      payload,
      place: `api.github.com/${name}/${nth}`,
    })),
  );
}

/** Where a value is read from: a path such as `issue.title`, the first of several that has one, or code. */
export type Source = string | readonly string[] | ((payload: Payload) => Json | undefined);

/** The value, or undefined for what is absent, null or empty. */
export function read(payload: Payload, source: Source): Json | undefined {
  if (typeof source === 'function') return present(source(payload));
  const paths = typeof source === 'string' ? [source] : source;
  for (const path of paths) {
    const value = present(path.split('.').reduce(step, payload));
    if (value !== undefined) return value;
  }
  return undefined;
}

/** The same where nothing but text is of use. */
export function text(payload: Payload, source: Source): string | undefined {
  const value = read(payload, source);
  return typeof value === 'string' ? value : undefined;
}

function step(value: Json | undefined, name: string): Json | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  return (value as JsonObject)[name];
}

function present(value: Json | undefined): Json | undefined {
  return value === null || value === '' ? undefined : value;
}

/** Tells vitest's `expect` of the matcher. A type only: vitest is whoever's runs the tests. */
import type {} from 'vitest';
import type { ExpectedTree, MatchOptions } from './matcher.ts';

declare module 'vitest' {
  // biome-ignore lint/suspicious/noExplicitAny: an interface is added to under its own parameters only.
  interface Matchers<T = any> {
    /**
     * Whether the events are this tree, given as an outline or as an object. Awaited where an id is given with
     * `{ client }` instead of events.
     */
    toMatchEventTree(expected: ExpectedTree, options?: MatchOptions): T extends string ? Promise<void> : void;
  }
}

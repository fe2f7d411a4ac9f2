/** For tests of applications that record events: `import { startEventree } from 'eventree/testing'`. */
import './vitest.ts';

export type { SiblingOrder } from './compare.ts';
export { type EventreeOptions, startEventree, type TestEventree, type Who } from './eventree.ts';
export { type ExpectedTree, eventTreeMatchers, type MatchOptions } from './matcher.ts';
export { type Paint, printTree } from './outline.ts';
export { readJournal, readTree } from './read.ts';
export {
  type Expected,
  type ExpectedEvent,
  growTrees,
  type Pattern,
  type TreeEvent,
  type TreeNode,
} from './tree.ts';

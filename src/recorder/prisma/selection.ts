/**
 * Lets an operation answer the fields that are needed to record it, and gives its caller what was asked for: one
 * statement fewer than to read the row again.
 *
 * Where fields are left out by `omit`, or computed ones are selected, other extensions compute from what the answer
 * holds, after this one. There only the key is asked for, and the row is read by it.
 */
import type { Args } from './internals.ts';
import type { Model, Row } from './models.ts';

export interface Widened {
  readonly args: Args;
  /** Whether the answer holds all fields that are needed, and not the key alone. */
  readonly isWhole: boolean;
  /** What the caller gets of an answer. */
  readonly narrow: (answer: Row) => Row;
}

/** @param omitted fields that the client leaves out by itself. */
export function widen(
  model: Model,
  fields: readonly string[],
  args: Args,
  omitted: Readonly<Record<string, boolean>> = {},
): Widened {
  const { select, omit } = args;
  if (isSelection(select)) {
    const isPlain = Object.keys(select).every(
      (name) => model.fields.has(name) || model.relations.has(name) || name === '_count',
    );
    const added = (isPlain ? fields : model.key).filter((name) => select[name] !== true);
    return {
      args: { ...args, select: { ...select, ...allOf(added, true) } },
      isWhole: isPlain,
      narrow: isPlain ? (answer) => without(answer, added) : (answer) => veiled(answer, added),
    };
  }
  const left: Selection = { ...omitted, ...(isSelection(omit) ? omit : {}) };
  const isLeft = (name: string) => left[name] === true;
  const added = model.key.filter(isLeft);
  return {
    args:
      added.length === 0
        ? args
        : { ...args, omit: { ...(isSelection(omit) ? omit : {}), ...allOf(added, false) } },
    isWhole: !fields.some(isLeft),
    narrow: (answer) => veiled(answer, added),
  };
}

type Selection = Readonly<Record<string, unknown>>;

function isSelection(given: unknown): given is Selection {
  return typeof given === 'object' && given !== null;
}

function allOf(names: readonly string[], value: boolean): Record<string, boolean> {
  return Object.fromEntries(names.map((name) => [name, value]));
}

function without(answer: Row, names: readonly string[]): Row {
  if (names.length === 0) return answer;
  const narrowed = { ...answer };
  for (const name of names) delete narrowed[name];
  return narrowed;
}

/** Still there for what is computed from it, and not listed, copied or written as JSON. */
function veiled(answer: Row, names: readonly string[]): Row {
  for (const name of names) Object.defineProperty(answer, name, { enumerable: false });
  return answer;
}

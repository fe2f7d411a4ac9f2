/**
 * What the API must answer of an event, by the words of the contract: each field at each level of sight.
 */
import type { Fact, Sight } from './oracle.ts';
import { ATTRIBUTES } from './vocabulary.ts';

/** An event as it was sent, beside what filters look at. */
export interface Told extends Fact {
  readonly position: number;
  readonly payload: unknown;
  readonly privatePayload: unknown;
}

export const PORTRAIT = `fragment portrait on Event {
  id position journal type { name } category severity message occurredAt recordedAt resource { ref name }
  actor visibleToActor sessionId correlationId attributes open: attribute(name: "text") secret: attribute(name: "textPrivate")
  payload privatePayload parent { id } parentHidden root { id }
}`;

/** Its fields are asked for of single events only: each child and tree is looked up by itself. */
export const FAMILY = `fragment family on Event {
  children(first: 100) { totalCount nodes { id } } tree { id } shallow: tree(maxDepth: 1) { id }
}`;

/** An event in the eyes of one viewer; null for what is not seen. */
export interface Eyes {
  readonly isAdmin: boolean;
  readonly journal: string;
  /** All that is recorded, in order. */
  readonly told: readonly Told[];
  sight(of: Told): Sight;
  /** As far as the viewer may see the resource itself. */
  nameOf(resource: string): string | null;
}

export function portraitOf(told: Told, eyes: Eyes): object | null {
  const sight = eyes.sight(told);
  if (sight === 0) return null;
  const attributes = attributesAt(told, sight);
  const ref = (id: string | undefined) => (isSeen(id, eyes) ? { id } : null);
  const parent = told.ancestors.at(-1);
  return {
    id: told.id,
    position: eyes.isAdmin ? told.position : null,
    journal: eyes.journal,
    type: { name: told.type },
    category: told.category,
    severity: told.severity,
    message: sight >= 2 ? told.message : told.masked,
    occurredAt: new Date(told.occurredAt).toISOString(),
    recordedAt: new Date(told.recordedAt).toISOString(),
    resource: told.resource === null ? null : { ref: told.resource, name: eyes.nameOf(told.resource) },
    actor: told.actor,
    visibleToActor: told.visibleToActor,
    sessionId: told.sessionId,
    correlationId: told.correlationId,
    attributes,
    open: attributes?.text ?? null,
    secret: attributes?.textPrivate ?? null,
    payload: sight >= 2 ? told.payload : null,
    privatePayload: sight === 3 ? told.privatePayload : null,
    parent: ref(parent),
    parentHidden: parent !== undefined && !isSeen(parent, eyes),
    root: ref(told.ancestors[0] ?? told.id),
  };
}

export function familyOf(told: Told, eyes: Eyes): object | null {
  if (eyes.sight(told) === 0) return null;
  const seen = eyes.told.filter((other) => eyes.sight(other) > 0);
  const ids = (of: readonly Told[]) => of.map(({ id }) => ({ id }));
  const children = seen.filter((other) => other.ancestors.at(-1) === told.id);
  const tree = seen.filter((other) => other === told || other.ancestors.includes(told.id));
  const deepest = told.ancestors.length + 1;
  return {
    children: { totalCount: children.length, nodes: ids(children) },
    tree: ids(tree),
    shallow: ids(tree.filter(({ ancestors }) => ancestors.length <= deepest)),
  };
}

function isSeen(id: string | undefined, { told, sight }: Eyes): boolean {
  const found = told.find((other) => other.id === id);
  return found !== undefined && sight(found) > 0;
}

function attributesAt({ attributes }: Told, sight: Sight): Readonly<Record<string, unknown>> | null {
  if (sight === 1) return null;
  const shown = Object.entries(attributes).filter(([name]) => sight === 3 || !ATTRIBUTES[name]?.private);
  return Object.fromEntries(shown.map(([name, value]) => [name, asStored(name, value)]));
}

/** Times are kept in UTC; JSON writes -0 as 0. */
function asStored(name: string, value: unknown): unknown {
  if (ATTRIBUTES[name]?.kind === 'DATETIME') return new Date(Date.parse(value as string)).toISOString();
  return JSON.parse(JSON.stringify(value));
}

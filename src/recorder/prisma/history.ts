/** From rows before and after to events: `create`, `update` with a child per field, `destroy`. */
import type { AclLists, ResourcePut } from '../../outbox/parcel.ts';
import type { Queryable } from '../../outbox/statement.ts';
import { PRIVATE, REDACTED } from '../redact.ts';
import type { AddedEvent } from '../scope.ts';
import type { Row } from './models.ts';
import type { Plan, Settings } from './settings.ts';
import type { Entry } from './watch.ts';

export interface History {
  readonly events: readonly AddedEvent[];
  /** Names and ACLs that are to be as they say before the events are recorded. */
  readonly resources: readonly ResourcePut[];
}

/**
 * What became of the rows, in their order; nothing of what is not recorded or did not change.
 *
 * @param given names of the fields that the caller sets.
 */
export async function historyOf(
  entries: readonly Entry[],
  { plans }: Settings,
  transaction: () => Queryable,
  given: ReadonlySet<string>,
): Promise<History> {
  const events: AddedEvent[] = [];
  const resources: ResourcePut[] = [];
  for (const entry of entries) {
    const { model, before, after } = entry;
    const plan = plans.get(model.name);
    const event = plan === undefined ? null : eventOf(entry, plan, given);
    if (plan === undefined || event === null) continue;
    const ref = plan.resource((before ?? after) as Row);
    events.push({ ...event, resource: ref });
    const acl = after === null ? entry.aclBefore : ((await plan.acl?.(after, transaction())) ?? null);
    resources.push(...putsOf(entry, plan, ref, acl));
  }
  return { events, resources };
}

function eventOf(entry: Entry, plan: Plan, given: ReadonlySet<string>): AddedEvent | null {
  const { before, after, links } = entry;
  if (before === null && after === null) return null;
  if (before !== null && after !== null) return updateOf(entry, before, after, plan, given);
  const values: Record<string, unknown> = {};
  for (const name of plan.fields) values[name] = (after ?? before)?.[name];
  for (const [name, link] of links) {
    if (plan.links.has(name) && link.after.length > 0) values[name] = link.after;
  }
  return { type: before === null ? 'create' : 'destroy', ...withValues(values, plan) };
}

function withValues(values: Readonly<Record<string, unknown>>, plan: Plan): Partial<AddedEvent> {
  const shown: Record<string, unknown> = {};
  const hidden: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(values)) {
    if (plan.secret.has(name)) shown[name] = value == null ? null : REDACTED;
    else if (plan.private.has(name)) {
      shown[name] = PRIVATE;
      hidden[name] = plain(value);
    } else shown[name] = plain(value);
  }
  const isHiding = Object.keys(hidden).length > 0;
  return { attributes: { values: shown }, ...(isHiding && { privatePayload: { values: hidden } }) };
}

/** Null where nothing changed: that Prisma alone set the time of the update is no change of its own. */
function updateOf(
  { model, links }: Entry,
  before: Row,
  after: Row,
  plan: Plan,
  given: ReadonlySet<string>,
): AddedEvent | null {
  const changed = [...plan.fields].filter((name) => !isSame(before[name], after[name]));
  const linked = [...links].filter(
    ([name, link]) => plan.links.has(name) && !isSame(link.before, link.after),
  );
  const isByPrisma = (name: string) => model.fields.get(name)?.updatedAt === true && !given.has(name);
  if (linked.length === 0 && changed.every(isByPrisma)) return null;
  const ref = plan.resource(before);
  const children = [
    ...changed.map((name) => fieldUpdate(ref, name, before[name], after[name], plan)),
    ...linked.map(([name, link]) => fieldUpdate(ref, name, link.before, link.after, plan)),
  ];
  const names = [...changed, ...linked.map(([name]) => name)];
  return { type: 'update', message: `${ref} was changed: ${names.join(', ')}`, children };
}

function fieldUpdate(resource: string, name: string, old: unknown, fresh: unknown, plan: Plan): AddedEvent {
  const event = (from: unknown, to: unknown) => ({
    type: 'update',
    resource,
    attributes: { attribute: name, old: from, new: to },
  });
  const stub = (value: unknown, word: string) => (value == null ? null : word);
  if (plan.secret.has(name)) return event(stub(old, REDACTED), stub(fresh, REDACTED));
  if (!plan.private.has(name)) return event(plain(old), plain(fresh));
  return {
    ...event(PRIVATE, PRIVATE),
    // Under the field's name, so that one that is named like a secret is taken for one.
    privatePayload: { old: { [name]: plain(old) }, new: { [name]: plain(fresh) } },
  };
}

function putsOf(
  { before, after, aclBefore }: Entry,
  plan: Plan,
  ref: string,
  acl: AclLists | null,
): ResourcePut[] {
  const name = plan.name === null || after === null ? null : plan.name(after);
  const isNamed = plan.name !== null && after !== null && (before === null || plan.name(before) !== name);
  const isOpened = acl !== null && (before === null || after === null || !isSame(aclBefore, acl));
  const puts: ResourcePut[] = [];
  if (isNamed || isOpened) puts.push({ ref, ...(isNamed && { name }), ...(isOpened && { acl }) });
  // A row of which the key has changed goes on as another resource, with the same rights.
  const moved = before === null || after === null ? ref : plan.resource(after);
  if (moved !== ref && acl !== null) puts.push({ ref: moved, acl, ...(plan.name !== null && { name }) });
  return puts;
}

/** Decimals as they are written; what JSON has no form for is the recorder's own to translate. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  return isDecimal(value) ? value.toFixed() : value;
}

function isDecimal(value: unknown): value is { toFixed(): string } {
  return (
    typeof value === 'object' && value !== null && 'toFixed' in value && typeof value.toFixed === 'function'
  );
}

/** Whether two values of a field are the same, in the types that Prisma has for them. */
export function isSame(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  if (one == null || other == null) return one == null && other == null;
  if (typeof one !== 'object' || typeof other !== 'object') return false;
  // Two that are no time to JavaScript, as infinity, are the same too.
  if (one instanceof Date && other instanceof Date) return Object.is(one.getTime(), other.getTime());
  if (isDecimal(one) && isDecimal(other)) return one.toFixed() === other.toFixed();
  if (ArrayBuffer.isView(one) && ArrayBuffer.isView(other)) return bytesOf(one).equals(bytesOf(other));
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((item, i) => isSame(item, other[i]));
  }
  const names = Object.keys(one);
  return (
    names.length === Object.keys(other).length &&
    names.every((name) => name in other && isSame(readOf(one, name), readOf(other, name)))
  );
}

function readOf(holder: object, name: string): unknown {
  return (holder as Record<string, unknown>)[name];
}

function bytesOf(view: ArrayBufferView): Buffer {
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength);
}

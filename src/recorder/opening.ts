/** The beginning of a call: from what an application says of it to its event. */
import type { PlacedEvent } from '../outbox/parcel.ts';
import { type Desk, OpenCall, type OpenScope } from './call.ts';
import type { Inherited } from './draft.ts';
import { newId } from './id.ts';
import type { CallOptions } from './recorder.ts';
import { cleanText, type Redactor } from './redact.ts';

export interface OpeningOptions {
  readonly desk: Desk;
  /** What calls take over that no other encloses. */
  readonly defaults: Inherited;
  /** Of parameters that only owners see, in all calls. */
  readonly privateNames: ReadonlySet<string>;
}

const MAX_NAME_CHARS = 1_000;

type Writable<T> = { -readonly [Name in keyof T]: T[Name] };

export function openCall(
  { desk, defaults, privateNames }: OpeningOptions,
  name: string,
  call: CallOptions,
  parent: OpenScope | null,
): OpenCall {
  const { redactor } = desk;
  const { params, parentId, attributes, payload, message, resource } = call;
  const inherited = inheritedBy(call, parent?.call.inherited ?? defaults);
  const names = call.private === undefined ? privateNames : new Set([...privateNames, ...call.private]);
  const { open: shown, apart } = redactor.split(params, names);
  const title = cleanText(name).slice(0, MAX_NAME_CHARS);
  const told: Record<string, unknown> = attributes === undefined ? {} : jsonOf(attributes, redactor);
  told.function = title;
  if (shown !== undefined) told.params = shown;
  const event: Writable<PlacedEvent> = { ...inherited, id: newId(), type: 'call', attributes: told };
  if (parent !== null) event.parentId = parent.id;
  else if (parentId !== undefined) event.parentId = parentId;
  if (resource !== undefined) event.resource = resource;
  if (message !== undefined) event.message = cleanText(message);
  if (payload !== undefined) event.payload = redactor.json(payload);
  if (apart !== null) event.privatePayload = { params: apart };
  return new OpenCall(desk, { function: title, event, inherited }, parent);
}

function jsonOf(attributes: Readonly<Record<string, unknown>>, redactor: Redactor): Record<string, unknown> {
  return Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, redactor.json(value)]));
}

/** What the events of a call take over: what is said of it, else what is above. */
function inheritedBy(call: CallOptions, above: Inherited): Inherited {
  const { journal, session, activeClaim, correlationId, visibleToActor } = call;
  const isSession = typeof session === 'object' && session !== null;
  const actor = call.actor === undefined && isSession ? (session.actor ?? undefined) : call.actor;
  const inherited: Writable<Inherited> = { ...above };
  if (journal !== undefined) inherited.journal = journal;
  if (actor !== undefined) inherited.actor = actor;
  if (activeClaim !== undefined) inherited.activeClaim = activeClaim;
  if (session !== undefined) inherited.sessionId = isSession ? session.id : session;
  if (correlationId !== undefined) inherited.correlationId = correlationId;
  if (visibleToActor !== undefined) inherited.visibleToActor = visibleToActor;
  return inherited;
}

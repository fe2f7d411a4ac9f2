/** The beginning of a call: from what an application says of it to its event. */
import type { PlacedEvent } from '../outbox/parcel.ts';
import { type Desk, OpenCall, type OpenScope } from './call.ts';
import { type Inherited, joined, safeContents } from './draft.ts';
import { newId } from './id.ts';
import type { CallOptions } from './recorder.ts';

export interface OpeningOptions {
  readonly desk: Desk;
  /** What calls take over that no other encloses. */
  readonly defaults: Inherited;
}

const MAX_NAME_CHARS = 1_000;

type Writable<T> = { -readonly [Name in keyof T]: T[Name] };

export function openCall(
  { desk, defaults }: OpeningOptions,
  name: string,
  call: CallOptions,
  parent: OpenScope | null,
): OpenCall {
  const { params, parentId, attributes, payload, message, resource } = call;
  const inherited = inheritedBy(call, parent?.call.inherited ?? defaults);
  const around = parent?.call.redactor ?? desk.redactor;
  const redactor = call.private === undefined ? around : around.withPrivate(call.private);
  const title = redactor.text(name).slice(0, MAX_NAME_CHARS);
  const { open: shown, apart } = redactor.split(params);
  const safe = safeContents({ attributes, payload }, redactor);
  const told: Record<string, unknown> = safe.attributes ?? {};
  told.function = title;
  if (shown !== undefined) told.params = shown;
  const event: Writable<PlacedEvent> = { ...inherited, id: newId(), type: 'call', attributes: told };
  if (parent !== null) event.parentId = parent.id;
  else if (parentId !== undefined) event.parentId = parentId;
  if (resource !== undefined) event.resource = resource;
  if (message !== undefined) event.message = redactor.text(message);
  if (safe.payload !== undefined) event.payload = safe.payload;
  if (safe.privatePayload !== undefined) event.privatePayload = safe.privatePayload;
  if (apart !== null) event.privatePayload = joined(event.privatePayload, { params: apart });
  return new OpenCall(desk, { function: title, event, inherited, redactor }, parent);
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

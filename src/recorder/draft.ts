/**
 * From what an application says of an event to the event as it is recorded: with its id, its place and what it takes
 * over from its call, and without secrets.
 */
import type { Json } from '../base/json.ts';
import { isUuid7 } from '../base/uuid7.ts';
import type { NewEvent } from '../client/event.ts';
import type { PlacedEvent } from '../outbox/parcel.ts';
import { RecorderError } from './errors.ts';
import { newId } from './id.ts';
import { cleanText, REDACTED, type Redactor } from './redact.ts';
import type { AddedEvent } from './scope.ts';
import { addChild, type Node, type NodeKind, newNode } from './tree.ts';

/** What events take over from their call where they do not say otherwise. */
export interface Inherited {
  readonly journal?: string;
  readonly actor?: string | null;
  readonly activeClaim?: string | null;
  readonly sessionId?: string | null;
  readonly correlationId?: string | null;
  readonly visibleToActor?: boolean;
}

type Writable = { -readonly [Name in keyof PlacedEvent]: PlacedEvent[Name] } & Record<string, unknown>;

/** An event and its ready-made children, which are kept as it is. */
export function draftNode(
  kind: NodeKind,
  event: AddedEvent,
  parentId: string | null,
  always: boolean,
  inherited: Inherited,
  redactor: Redactor,
): Node {
  const node = newNode(kind, draftEvent(event, parentId, inherited, redactor), always);
  for (const child of event.children ?? []) {
    addChild(node, draftNode('leaf', child, node.event.id, always, inherited, redactor));
  }
  return node;
}

function draftEvent(
  event: AddedEvent | NewEvent,
  parentId: string | null,
  inherited: Inherited,
  redactor: Redactor,
): PlacedEvent {
  const said = event as Readonly<Record<string, unknown>>;
  // What is said last stands; its place and what is not the event's own come after it.
  const placed: Writable = { ...inherited, id: '', type: event.type };
  for (const name in said) if (said[name] !== undefined && !OWN.has(name)) placed[name] = said[name];
  if (event.id == null) {
    // By the id, it occurred now.
    placed.id = newId();
  } else {
    if (!isUuid7(event.id)) {
      const given = JSON.stringify(event.id);
      throw new RecorderError(
        'BAD_INPUT',
        `An event's id is a UUID of version 7, and not ${given}: leave it out.`,
      );
    }
    placed.id = event.id;
    placed.occurredAt ??= new Date().toISOString();
  }
  if (parentId !== null) placed.parentId = parentId;
  if (typeof placed.message === 'string') placed.message = cleanText(placed.message);
  if (event.attributes != null) placed.attributes = safeAttributes(event.attributes, redactor);
  if (event.payload != null) placed.payload = redactor.json(event.payload) ?? null;
  if (event.privatePayload != null) placed.privatePayload = redactor.json(event.privatePayload) ?? null;
  return placed;
}

/** Not taken over as they are: the recorder's own, or given by the place. */
const OWN: ReadonlySet<string> = new Set(['always', 'children', 'parentId', 'journal', 'id']);
/** Attributes that tell by name which value the event is about. */
const NAMING = ['attribute', 'field'] as const;

/** The names of attributes are declared, and so are no secrets; what stands in them may hold some. */
function safeAttributes(
  given: Readonly<Record<string, unknown>>,
  redactor: Redactor,
): Readonly<Record<string, Json>> {
  const attributes: Record<string, Json> = {};
  const isOfSecret = NAMING.some((name) => typeof given[name] === 'string' && redactor.isSecret(given[name]));
  for (const name of Object.keys(given)) {
    const isHidden = isOfSecret && (name === 'old' || name === 'new') && given[name] != null;
    const value = isHidden ? REDACTED : redactor.json(given[name]);
    if (value !== undefined) attributes[name] = value;
  }
  return attributes;
}

/**
 * From what GitHub delivered to what Eventree records. Everything that differs from event to event stands
 * in the tables of events/; here is what all have in common.
 *
 * The id follows from the event's time and its place in the package, and nothing here looks at the clock:
 * importing again makes the same events, which the server then finds to be there already.
 */
import type { Json } from '../../src/base/json.ts';
import { derivedEventId } from '../../src/events/id.ts';
import { type GitHubEvent, NO_ACTION, parseTime } from './events/event.ts';
import { type Delivery, type Payload, read, text } from './payloads.ts';
import { actionOf, EVENTS, typeName } from './types.ts';

/** As `recordEvents` takes it. */
export interface EventInput {
  readonly id: string;
  readonly type: string;
  readonly resource: string;
  readonly severity?: string;
  readonly occurredAt: string;
  readonly actor: string;
  readonly correlationId?: string;
  readonly attributes: Readonly<Record<string, Json>>;
  readonly payload: Payload;
  readonly children?: readonly EventInput[];
}

/** GitHub itself tells of advisories; of alerts it says so in the payload. */
const GITHUB = 'github';

export function toEvent(delivery: Delivery): EventInput {
  const { event, action, payload, place } = delivery;
  const entry = entryOf(delivery);
  const time = timeOf(delivery);
  const severity = severityOf(entry, delivery);
  const attributes = attributesOf(entry, delivery);
  return {
    id: derivedEventId(time, `@octokit/webhooks-examples ${place}`),
    type: typeName(event, action),
    resource: resourceOf(entry, payload),
    ...(severity !== undefined && { severity }),
    occurredAt: new Date(time).toISOString(),
    actor: `user/${text(payload, 'sender.login') ?? GITHUB}`,
    // All that happened to one commit is found by it: pushes, checks, deployments, reviews.
    ...(typeof attributes.sha === 'string' && { correlationId: attributes.sha }),
    attributes,
    payload,
  };
}

/** Milliseconds since 1970. */
export function timeOf(delivery: Delivery): number {
  const { action, payload, place } = delivery;
  const entry = entryOf(delivery);
  const { time: own = [] } = actionOf(entry, action ?? NO_ACTION);
  for (const source of [...own, ...entry.time]) {
    const time = parseTime(read(payload, source));
    if (time !== undefined) return time;
  }
  throw new Error(`Nothing in ${place} says when it happened: give its event another time in events/.`);
}

function resourceOf(entry: GitHubEvent, payload: Payload): string {
  if (entry.resource !== undefined) return entry.resource(payload);
  const repository = text(payload, 'repository.full_name');
  return repository === undefined
    ? `organization/${text(payload, 'organization.login')}`
    : `repository/${repository}`;
}

function severityOf(entry: GitHubEvent, { action, payload }: Delivery): string | undefined {
  const { severity: own } = actionOf(entry, action ?? NO_ACTION);
  return own === undefined ? entry.severityOf?.(payload) : undefined;
}

function attributesOf(entry: GitHubEvent, { action, payload }: Delivery): Record<string, Json> {
  const attributes: Record<string, Json> = action === null ? {} : { action };
  for (const [name, source] of Object.entries(entry.attributes)) {
    const value = read(payload, source);
    if (value !== undefined) attributes[name] = value;
  }
  return attributes;
}

function entryOf({ event }: Delivery): GitHubEvent {
  const entry = EVENTS[event];
  if (entry === undefined) throw new Error(`No table in events/ knows the event ${event}.`);
  return entry;
}

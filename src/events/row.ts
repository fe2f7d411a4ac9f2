/**
 * Rows of `event` as PostgreSQL sends them, and the visibility rule as SQL.
 *
 * Every statement that reads events for somebody joins the resource's ACL as it stands
 * (`EVENTS_AND_ACL`) and asks for the level at which the reader sees the event (`levelSql`).
 * The same rule is written for memory in visibility.ts; a test holds both against a third, naive one.
 */
import pg from 'pg';
import { DATA, ENVELOPE, type Level, NOTHING, PRIVATE } from '../access/acl.ts';
import { ADMIN, type Claim } from '../access/claim.ts';
import type { ResourceRef } from '../access/resource-ref.ts';
import type { JsonObject } from '../base/json.ts';
import { ACL_CHANGE } from './builtin.ts';
import type { Category, Event, EventId, Position, SeenEvent, Severity } from './event.ts';
import type { Parameters } from './filter/filter-sql.ts';

export interface EventRow {
  id: EventId;
  position: Position;
  type: string;
  category: Category;
  severity: Severity;
  message: string;
  masked_message: string | null;
  words: string;
  occurred_at: number;
  recorded_at: number;
  resource: ResourceRef | null;
  actor: Claim | null;
  active_claim: Claim | null;
  session_id: string | null;
  correlation_id: string | null;
  path: EventId[] | null;
  attributes: JsonObject;
  payload: string | null;
  private_payload: string | null;
  recorded_by: Claim;
  visible_to_actor: boolean;
}

export const EVENT_COLUMNS = `
  e.id, e.position, e.type, e.category, e.severity, e.message, e.masked_message, e.words, e.occurred_at, e.recorded_at,
  e.resource, e.actor, e.active_claim, e.session_id, e.correlation_id, e.path, e.attributes, e.payload,
  e.private_payload, e.recorded_by, e.visible_to_actor`;

/** Events with the ACL of their resource beside them. */
export const EVENTS_AND_ACL = 'event e left join resource r on r.ref = e.resource';

/** SQL expression of the level at which the holder of the claims sees `e`; 0 for what is hidden. */
export function levelSql(claims: ReadonlySet<Claim>, parameters: Parameters): string {
  if (claims.has(ADMIN)) return String(PRIVATE);
  const held = `${parameters.add([...claims])}::text[]`;
  return `(case
    when r.owners && ${held} then ${PRIVATE}
    when (e.resource is null or e.visible_to_actor) and e.actor = any(${held}) then ${DATA}
    when r.edit_acl && ${held} or r.view_acl && ${held} then ${DATA}
    when e.type = '${ACL_CHANGE}' then ${NOTHING}
    when r.edit_data && ${held} or r.view_data && ${held} then ${DATA}
    when r.view_meta && ${held} then ${ENVELOPE}
    else ${NOTHING} end)`;
}

export function toEvent(row: EventRow, journal: string): Event {
  return {
    id: row.id,
    journal,
    position: row.position,
    type: row.type,
    category: row.category,
    severity: row.severity,
    message: row.message,
    maskedMessage: row.masked_message,
    words: row.words,
    occurredAt: row.occurred_at,
    recordedAt: row.recorded_at,
    resource: row.resource,
    actor: row.actor,
    activeClaim: row.active_claim,
    sessionId: row.session_id,
    correlationId: row.correlation_id,
    path: row.path ?? [],
    attributes: row.attributes,
    payload: row.payload,
    privatePayload: row.private_payload,
    recordedBy: row.recorded_by,
    visibleToActor: row.visible_to_actor,
    kept: true,
  };
}

export function toSeenEvent(row: EventRow & { level: Exclude<Level, 0> }, journal: string): SeenEvent {
  return { event: toEvent(row, journal), level: row.level };
}

const INT8 = 20;
const JSON_TEXT = 114;
const TIMESTAMPTZ = 1184;

/**
 * Positions as numbers, payloads as the text they are, times as milliseconds: the session speaks UTC, so
 * a time reads `2026-11-21 02:38:35.679+00`.
 */
export const EVENT_TYPES: pg.CustomTypesConfig = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    if (oid === INT8) return Number;
    if (oid === JSON_TEXT) return (text: string) => text;
    if (oid === TIMESTAMPTZ) return (text: string) => Date.parse(`${text.replace(' ', 'T')}:00`);
    return pg.types.getTypeParser(oid, format);
  },
};

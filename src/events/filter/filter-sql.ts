/**
 * The filter as an SQL condition over a row of `event e` with the viewer's level beside it. What each
 * condition means stands in filter.ts; a property test holds this equal to filter-match.ts.
 *
 * SQL's NULL is the third verdict. A condition that answers at all answers true or false, so a value
 * that is missing is coalesced and only what the viewer may not see is NULL.
 */
import { DATA, PRIVATE } from '../../access/acl.ts';
import { LATEST_TIME } from '../../base/date-time.ts';
import type { Condition, TextField, TextTest, ValueTest } from './filter.ts';

/** Collects a statement's parameters. */
export interface Parameters {
  /** Adds a value; answers its placeholder, `$7`. */
  add(value: unknown): string;
}

/**
 * @param level SQL expression of the viewer's level.
 * @param sees which of the filter's named events the viewer sees.
 */
export function filterSql(
  condition: Condition,
  parameters: Parameters,
  level: string,
  sees: ReadonlySet<string>,
): string {
  const compile = (part: Condition): string => {
    switch (part.on) {
      case 'and':
      case 'or':
        return part.of.length === 0
          ? String(part.on === 'and')
          : `(${part.of.map(compile).join(` ${part.on} `)})`;
      case 'not':
        return `(not ${compile(part.of)})`;
      case 'id':
        return `(e.id = any(${parameters.add(part.in)}::uuid[]))`;
      case 'category':
        return `(e.category = any(${parameters.add(part.in)}::"Category"[]))`;
      case 'severity':
        return `(e.severity = any(${parameters.add(part.in)}::"Severity"[]))`;
      case 'text':
        return textSql(COLUMN[part.field], part.test, parameters);
      case 'words':
        return wordsSql(part.all, parameters, level);
      case 'time':
        return timeSql(part, parameters);
      case 'tree':
        return sees.has(part.id) ? treeSql(part.relation, parameters.add(part.id)) : 'null::boolean';
      case 'depth':
        return `(coalesce(cardinality(e.path), 0) <= ${parameters.add(part.most)})`;
      case 'attribute': {
        const { attribute, test } = part;
        const needed = attribute.private ? PRIVATE : DATA;
        const met = valueSql(parameters.add(attribute.name), test, parameters);
        return `(case when ${level} >= ${needed} then coalesce(${met}, false) end)`;
      }
    }
  };
  return compile(condition);
}

const COLUMN: Record<TextField, string> = {
  type: 'e.type',
  resource: 'e.resource',
  resourceType: "split_part(e.resource, '/', 1)",
  actor: 'e.actor',
  sessionId: 'e.session_id',
  correlationId: 'e.correlation_id',
};

function textSql(column: string, test: TextTest, parameters: Parameters): string {
  switch (test.is) {
    case 'in':
      return `coalesce(${column} = any(${parameters.add(test.values)}::text[]), false)`;
    case 'not':
      return `coalesce(${column} <> ${parameters.add(test.value)}::text, false)`;
    case 'startsWith':
      return `coalesce(starts_with(${column}, ${parameters.add(test.prefix)}::text), false)`;
  }
}

function wordsSql(all: readonly string[], parameters: Parameters, level: string): string {
  // The envelope's words stand before the bar, where the two differ.
  const visible = `split_part(e.words, '|', case when ${level} >= ${DATA} then -1 else 1 end)`;
  const sought = all.map((word) => `strpos(${visible}, ${parameters.add(` ${word} `)}::text) > 0`);
  return sought.length === 0 ? 'true' : `(${sought.join(' and ')})`;
}

function timeSql(
  { field, from, before }: Extract<Condition, { on: 'time' }>,
  parameters: Parameters,
): string {
  const column = field === 'occurredAt' ? 'e.occurred_at' : 'e.recorded_at';
  const bound = (ms: number) => `${parameters.add(sqlTime(ms))}::timestamptz`;
  return `(${column} >= ${bound(from)} and ${column} < ${bound(before)})`;
}

/** As PostgreSQL reads it: `+010000-01-01…`, which follows the last year of four digits, it does not. */
export function sqlTime(ms: number): string {
  if (ms === -Infinity) return '-infinity';
  if (ms > LATEST_TIME) return 'infinity';
  return new Date(ms).toISOString();
}

function treeSql(relation: 'root' | 'parent' | 'within', id: string): string {
  switch (relation) {
    case 'root':
      return `(coalesce(e.path[1], e.id) = ${id}::uuid)`;
    case 'parent':
      return `coalesce(e.path[cardinality(e.path)] = ${id}::uuid, false)`;
    case 'within':
      return `(e.id = ${id}::uuid or coalesce(${id}::uuid = any(e.path), false))`;
  }
}

function valueSql(name: string, test: ValueTest, parameters: Parameters): string {
  const json = `(e.attributes -> ${name}::text)`;
  const text = `(e.attributes ->> ${name}::text)`;
  switch (test.is) {
    case 'present':
      return `e.attributes ? ${name}::text`;
    case 'absent':
      return `not e.attributes ? ${name}::text`;
    case 'in':
      return `${json} = any(${parameters.add(test.values.map((value) => JSON.stringify(value)))}::jsonb[])`;
    case 'not':
      return `${json} <> ${parameters.add(JSON.stringify(test.value))}::jsonb`;
    case 'startsWith':
      return `starts_with(${text}, ${parameters.add(test.prefix)}::text)`;
    default: {
      const value = parameters.add(test.value);
      return typeof test.value === 'number'
        ? `${text}::numeric ${OPERATOR[test.is]} ${value}::numeric`
        : `${text} collate "C" ${OPERATOR[test.is]} ${value}::text`;
    }
  }
}

const OPERATOR = { gt: '>', gte: '>=', lt: '<', lte: '<=' } as const;

/** The schema builder and the scalars and enums that every part of the schema shares. */
import SchemaBuilder from '@pothos/core';
import { GraphQLError, Kind, type ValueNode } from 'graphql';
import { type Claim, parseClaim } from '../access/claim.ts';
import { parseResourceRef, type ResourceRef } from '../access/resource-ref.ts';
import { parseDateTime } from '../base/date-time.ts';
import { EventreeError } from '../base/errors.ts';
import { checkJson, type Json, type JsonObject } from '../base/json.ts';
import { ATTRIBUTE_KINDS } from '../events/attribute.ts';
import { CATEGORIES, type Position, SEVERITIES } from '../events/event.ts';
import type { Context } from './context.ts';

export const builder = new SchemaBuilder<{
  Context: Context;
  DefaultFieldNullability: false;
  Scalars: {
    /** Milliseconds since 1970. */
    DateTime: { Input: number; Output: number };
    JSON: { Input: Json; Output: Json };
    JSONObject: { Input: JsonObject; Output: JsonObject };
    ResourceRef: { Input: ResourceRef; Output: ResourceRef };
    Position: { Input: Position; Output: Position };
    Claim: { Input: Claim; Output: Claim };
  };
}>({ defaultFieldNullability: false });

builder.queryType({ description: 'Looking at the journal, its registry and its resources.' });
builder.mutationType({ description: 'Recording, and saying what may be recorded and who may see it.' });
builder.subscriptionType({ description: 'Watching the journal, by WebSocket or Server-Sent Events.' });

builder.scalarType('DateTime', {
  description: 'RFC 3339 date and time in UTC with milliseconds, e.g. 2026-11-20T23:18:04.123Z.',
  serialize: (ms) => new Date(ms).toISOString(),
  parseValue(value) {
    const ms = parseDateTime(value);
    if (ms !== null) return ms;
    throw new EventreeError(
      'BAD_USER_INPUT',
      'A date and time is written like 2026-11-20T23:18:04.123Z (RFC 3339).',
    );
  },
});

builder.scalarType('JSON', {
  description: 'Any JSON value.',
  serialize: (value) => value,
  parseValue: (value) => checkJson(value, 'The value'),
  parseLiteral: (node, variables) => checkJson(literalJson(node, variables ?? {}), 'The value'),
});

builder.scalarType('JSONObject', {
  description: 'A JSON object.',
  serialize: (value) => value,
  parseValue: (value) => jsonObject(value),
  parseLiteral: (node, variables) => jsonObject(literalJson(node, variables ?? {})),
});

builder.scalarType('ResourceRef', {
  description:
    'Reference to a resource: `type/id`, e.g. `deployment/847a79a2`. The id may hold further slashes.',
  serialize: (value) => value,
  parseValue: parseResourceRef,
});

builder.scalarType('Position', {
  description: "Place in a journal, from 1: a JSON integer up to 2^53 - 1 (GraphQL's Int ends at 2^31 - 1).",
  serialize: (value) => value,
  parseValue(value) {
    if (Number.isSafeInteger(value) && (value as number) >= 1) return value as Position;
    throw new EventreeError('BAD_USER_INPUT', 'A position is a whole number from 1 to 2^53 - 1.');
  },
});

builder.scalarType('Claim', {
  description: "A principal's claim: `user/jane`, `group/admins`, `group/anonymous`.",
  serialize: (value) => value,
  parseValue: parseClaim,
});

export const CategoryEnum = builder.enumType('Category', {
  description: 'What an event is in nature.',
  values: CATEGORIES,
});
export const SeverityEnum = builder.enumType('Severity', {
  description: 'In rising order: LOW, MEDIUM, HIGH, CRITICAL.',
  values: SEVERITIES,
});
export const AttributeKindEnum = builder.enumType('AttributeKind', {
  description: 'What values an attribute takes.',
  values: ATTRIBUTE_KINDS,
});

/** How much an operation's cost rises with a field: see policy.ts. */
export function costOfPage(defaultSize: number) {
  return {
    complexity: ({ args, childComplexity }: { args: Record<string, unknown>; childComplexity: number }) => {
      const size = [args.first, args.last].find((given) => typeof given === 'number') ?? defaultSize;
      return 1 + Math.min(Math.max(size as number, 1), 1_000) * Math.max(1, childComplexity);
    },
  };
}

function jsonObject(value: unknown): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return checkJson(value, 'The value') as JsonObject;
  }
  throw new EventreeError('BAD_USER_INPUT', 'A JSON object is expected here, as in {"branch": "main"}.');
}

/** JSON written into the text of an operation. */
function literalJson(node: ValueNode, variables: Record<string, unknown>): unknown {
  switch (node.kind) {
    case Kind.STRING:
    case Kind.BOOLEAN:
      return node.value;
    case Kind.INT:
    case Kind.FLOAT: {
      const number = Number(node.value);
      // Parsing has rounded it already where the number is too large, so the text is what tells.
      if (node.kind === Kind.INT && String(number) !== node.value.replace(/^-0$/, '0')) {
        throw new EventreeError(
          'BAD_USER_INPUT',
          `${node.value} is beyond 2^53 - 1 and would be rounded: send it as a string.`,
        );
      }
      return number;
    }
    case Kind.NULL:
      return null;
    case Kind.LIST:
      return node.values.map((item) => literalJson(item, variables));
    case Kind.OBJECT:
      return Object.fromEntries(
        node.fields.map(({ name, value }) => [name.value, literalJson(value, variables)]),
      );
    case Kind.VARIABLE:
      return variables[node.name.value] ?? null;
    default:
      throw new GraphQLError('A JSON value is expected here.', { nodes: node });
  }
}

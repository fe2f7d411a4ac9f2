import { readFileSync } from 'node:fs';
import {
  buildASTSchema,
  findBreakingChanges,
  type GraphQLArgument,
  type GraphQLEnumType,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLNamedType,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isIntrospectionType,
  isObjectType,
  isScalarType,
  isSpecifiedScalarType,
  lexicographicSortSchema,
  parse,
  printSchema,
  validateSchema,
} from 'graphql';
import { describe, expect, test } from 'vitest';
import { schema } from '../src/graphql/schema.ts';

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
const committed = read('../schema.graphql');
const built = buildASTSchema(parse(committed));
/** What was agreed with clients, the web UI and outside checks, to the letter. */
const contract = buildASTSchema(parse(read('support/contract.graphql')));

type Part = GraphQLField<unknown, unknown> | GraphQLInputField | GraphQLArgument;

const typesOf = (of: GraphQLSchema) =>
  Object.values(of.getTypeMap()).filter((type) => !isIntrospectionType(type) && !isSpecifiedScalarType(type));

function kindOf(type: GraphQLNamedType): string {
  return type.constructor.name;
}

/** Fields with their type and, for those of an input, their default. */
function partsOf(type: GraphQLNamedType): Part[] {
  return isObjectType(type) || isInputObjectType(type) ? Object.values(type.getFields()) : [];
}

function argumentsOf(part: Part): readonly GraphQLArgument[] {
  return 'args' in part ? part.args : [];
}

/** Each line of a schema by its place: `Query.events(first:)` → `Int`. */
function linesOf(of: GraphQLSchema): Map<string, string> {
  const lines = new Map<string, string>();
  const add = (place: string, part: Part) => {
    const fallback = 'defaultValue' in part ? ` = ${JSON.stringify(part.defaultValue)}` : '';
    lines.set(place, `${part.type}${fallback === ' = undefined' ? '' : fallback}`);
  };
  for (const type of typesOf(of)) {
    lines.set(type.name, kindOf(type));
    for (const part of partsOf(type)) {
      add(`${type.name}.${part.name}`, part);
      for (const argument of argumentsOf(part)) add(`${type.name}.${part.name}(${argument.name}:)`, argument);
    }
    if (isEnumType(type)) for (const { name } of type.getValues()) lines.set(`${type.name}.${name}`, 'value');
  }
  return lines;
}

describe('schema.graphql', () => {
  test('is what the code builds: `npm run schema` prints it', () => {
    expect(committed).toBe(`${printSchema(lexicographicSortSchema(schema))}\n`);
  });

  test('is sound', () => {
    expect(validateSchema(built)).toEqual([]);
  });
});

describe('the contract', () => {
  const lines = linesOf(built);

  test.each([...linesOf(contract)])('holds %s: %s', (place, line) => {
    expect(lines.get(place)).toBe(line);
  });

  test('is broken by no change, as GraphQL understands it', () => {
    expect(findBreakingChanges(contract, built)).toEqual([]);
  });

  test('asks for no argument or input that it does not name, of who uses what it names', () => {
    const known = linesOf(contract);
    const added = [...typesOf(built)].flatMap((type) =>
      partsOf(type).flatMap((part) => {
        const place = `${type.name}.${part.name}`;
        const own: (readonly [string, Part])[] =
          isInputObjectType(type) && known.has(type.name) ? [[place, part]] : [];
        const named = known.has(place) ? argumentsOf(part) : [];
        return [...own, ...named.map((each) => [`${place}(${each.name}:)`, each] as const)];
      }),
    );
    const asked = added.filter(
      ([place, part]) =>
        !known.has(place) &&
        String(part.type).endsWith('!') &&
        !('defaultValue' in part && part.defaultValue !== undefined),
    );
    expect(asked.map(([place]) => place)).toEqual([]);
  });

  test('tells in which order severities rise, which their alphabet does not', () => {
    const severity = built.getType('Severity') as GraphQLEnumType;
    const told = [severity.description, ...severity.getValues().map(({ name }) => name)].join(' ');
    expect(told).toMatch(/LOW\W+MEDIUM\W+HIGH\W+CRITICAL/);
  });

  test('is explained in its own words or better ones', () => {
    const bare = [...describedPlaces(contract)].filter(([, text]) => text !== null).map(([place]) => place);
    const ours = describedPlaces(built);
    expect(bare.length).toBeGreaterThan(20);
    expect(bare.filter((place) => !ours.get(place))).toEqual([]);
  });
});

test('every type and every field has a description', () => {
  const bare = [...describedPlaces(built)].filter(([, text]) => text === null).map(([place]) => place);
  expect(bare).toEqual([]);
});

/** Types and fields, with how they are described. */
function describedPlaces(of: GraphQLSchema): Map<string, string | null> {
  const places = new Map<string, string | null>();
  for (const type of typesOf(of)) {
    places.set(type.name, type.description?.trim() || null);
    for (const part of partsOf(type))
      places.set(`${type.name}.${part.name}`, part.description?.trim() || null);
  }
  return places;
}

describe('these tests see', () => {
  const changed = (from: string, to: string) => {
    expect(committed).toContain(from);
    return linesOf(buildASTSchema(parse(committed.replace(from, to))));
  };

  test.each([
    ['a field that may now be null', '  cursor: String!\n\n', '  cursor: String\n\n', 'Event.cursor'],
    ['an argument that is gone', 'maxDepth: Int', 'most: Int', 'Event.tree(maxDepth:)'],
    ['another default', 'maxBatch: Int! = 100', 'maxBatch: Int! = 10', 'Subscription.eventStream(maxBatch:)'],
    ['an enum value that is gone', '\n  ALARM\n', '\n  ALERT\n', 'Category.ALARM'],
  ])('%s', (_, from, to, place) => {
    expect(changed(from, to).get(place)).not.toBe(linesOf(contract).get(place));
  });

  test('a scalar that has become an object', () => {
    expect(linesOf(buildASTSchema(parse('type Position { a: Int }'))).get('Position')).not.toBe(
      linesOf(contract).get('Position'),
    );
    expect(isScalarType(contract.getType('Position'))).toBe(true);
  });
});

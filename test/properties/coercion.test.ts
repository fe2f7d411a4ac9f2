/** Variables that are coerced ahead come out as graphql-js makes them; where it finds a fault, it is left to find it. */
import fc from 'fast-check';
import {
  buildSchema,
  type GraphQLInputObjectType,
  type GraphQLInputType,
  getOperationAST,
  getVariableValues,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  type OperationDefinitionNode,
  parse,
} from 'graphql';
import { describe, expect, test } from 'vitest';
import { createCoercion } from '../../src/graphql/coercion.ts';
import { schema } from '../../src/graphql/schema.ts';
import { PROPERTY_TIMEOUT_MS } from './support/runs.ts';

const RUNS = 200 * Number(process.env.FC_RUNS ?? 1);
const DEEPEST = 3;

const coerceOurs = createCoercion(schema);
const inputTypes = Object.values(schema.getTypeMap()).filter(isInputObjectType);

const anything = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom(null, '', 'x', 'user/jane', 'page/1', 7, -1, 1.5, true, [], {}, [[null]], { __proto__: 1 }),
);
const OF_SCALARS: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  Boolean: fc.boolean(),
  Claim: fc.constantFrom('user/jane', 'group/admin'),
  DateTime: fc.constantFrom('2026-11-20T23:18:04.123Z', '1970-01-01T00:00:00Z'),
  Float: fc.double({ noNaN: true }),
  ID: fc.oneof(fc.uuid(), fc.nat()),
  Int: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  JSON: fc.jsonValue({ maxDepth: 2 }),
  JSONObject: fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 1 })),
  Position: fc.nat(),
  ResourceRef: fc.constantFrom('page/1', 'repository/eventree/server'),
  String: fc.string(),
};

/** Mostly as the type wants it. */
function valueFor(type: GraphQLInputType, depth = 0): fc.Arbitrary<unknown> {
  const fault = { weight: 1, arbitrary: anything };
  if (isNonNullType(type)) return fc.oneof({ weight: 40, arbitrary: given(type.ofType, depth) }, fault);
  return fc.oneof(
    { weight: 30, arbitrary: given(type, depth) },
    { weight: 10, arbitrary: fc.constant(null) },
    fault,
  );
}

function given(type: GraphQLInputType, depth: number): fc.Arbitrary<unknown> {
  if (isNonNullType(type)) return given(type.ofType, depth);
  if (isListType(type)) {
    const item = valueFor(type.ofType, depth);
    // One that is no list stands for a list of one.
    return fc.oneof(
      { weight: 8, arbitrary: fc.array(item, { maxLength: 3 }) },
      { weight: 1, arbitrary: item },
    );
  }
  if (isInputObjectType(type)) return depth < DEEPEST ? objectOf(type, depth + 1) : fc.constant({});
  if (isEnumType(type)) return fc.constantFrom(...type.getValues().map(({ name }) => name));
  return OF_SCALARS[type.name] ?? expect.fail(`There is nothing to try for ${type.name}: add it above.`);
}

function objectOf(type: GraphQLInputObjectType, depth: number): fc.Arbitrary<unknown> {
  const fields = Object.values(type.getFields());
  const needed = fields.filter((field) => isNonNullType(field.type) && field.defaultValue === undefined);
  const known = fc.record(
    Object.fromEntries(fields.map((field) => [field.name, valueFor(field.type, depth)])),
    { requiredKeys: needed.map(({ name }) => name) },
  );
  return fc.tuple(known, fc.nat(30), fc.nat()).map(([object, chance, nth]) => {
    if (chance === 0) return { ...object, unknown: 1 };
    if (chance > 1 || needed.length === 0) return object;
    const { [needed[nth % needed.length]?.name ?? '']: _, ...others } = object;
    return others;
  });
}

/** As it comes over the wire. */
const overTheWire = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

function operationOf(document: ReturnType<typeof parse>): OperationDefinitionNode {
  return getOperationAST(document) as OperationDefinitionNode;
}

function check(text: string, variables: Record<string, unknown>, of = schema): 'valid' | 'not valid' {
  const coerce = of === schema ? coerceOurs : createCoercion(of);
  const document = parse(text);
  const operation = operationOf(document);
  const definitions = operation.variableDefinitions ?? [];
  const before = JSON.stringify(variables);
  const expected = getVariableValues(of, definitions, variables);
  const executable = coerce(document, operation, variables);
  expect(JSON.stringify(variables)).toBe(before);
  const rewritten = operationOf(executable.document).variableDefinitions ?? [];
  const passed = getVariableValues(executable.schema, rewritten, executable.variableValues ?? {});
  expect(passed.coerced).toEqual(expected.coerced);
  expect(passed.errors?.map(String)).toEqual(expected.errors?.map(String));
  return expected.errors === undefined ? 'valid' : 'not valid';
}

describe('variables that are coerced ahead', { timeout: PROPERTY_TIMEOUT_MS }, () => {
  test.each(inputTypes)('$name', (type) => {
    const tried = { valid: 0, 'not valid': 0 };
    for (const wrapped of [type.name, `${type.name}!`, `[${type.name}!]!`, `[[${type.name}]]`]) {
      const text = `mutation ($input: ${wrapped}) { __typename }`;
      const arbitrary = valueFor(type).map((value) => (wrapped.startsWith('[') ? [value, value] : value));
      fc.assert(
        fc.property(arbitrary, (value) => {
          tried[check(text, { input: overTheWire(value) })]++;
        }),
        { numRuns: RUNS },
      );
    }
    expect(tried.valid).toBeGreaterThan(RUNS / 8);
    expect(tried['not valid']).toBeGreaterThan(0);
  });

  test('are those alone that are given', () => {
    const note = { type: 'note' };
    const text =
      'mutation ($a: RecordEventInput, $b: RecordEventInput = { type: "call" }, $c: Int) { __typename }';
    expect(check(text, {})).toBe('valid');
    expect(check(text, { a: null })).toBe('valid');
    expect(check(text, { a: note, b: note, c: 3, d: note })).toBe('valid');
    expect(check(text, { a: note, c: 'three' })).toBe('not valid');
  });

  test('are refused where a scalar makes nothing of them', () => {
    const strict = buildSchema(
      'scalar Even input Pair { one: Even! } type Query { ok(pair: Pair): Boolean }',
    );
    Object.assign(strict.getType('Even') ?? {}, {
      parseValue: (value: number) => (value % 2 === 0 ? value : undefined),
    });
    const text = 'mutation ($pair: Pair) { __typename }';
    expect(check(text, { pair: { one: 2 } }, strict)).toBe('valid');
    expect(check(text, { pair: { one: 3 } }, strict)).toBe('not valid');
  });

  test('have one shape, however they were sent', () => {
    const document = parse('mutation ($input: [RecordEventInput!]!) { __typename }');
    const input = [{ type: 'note' }, { message: 'Hello', type: 'note' }];
    const { variableValues } = coerceOurs(document, operationOf(document), { input });
    const [one = {}, other = {}] = (variableValues?.input ?? []) as object[];
    expect(Object.keys(one)).toContain('children');
    expect(Object.keys(other)).toEqual(Object.keys(one));
  });

  test('are left as they came where one stands within a literal', () => {
    const text = `mutation ($e: RecordEventInput!) {
      recordEvent(input: { type: "note", payload: { x: [$e] } }) { event { id } }
    }`;
    const document = parse(text);
    const variables = { e: { type: 'note' } };
    expect(coerceOurs(document, operationOf(document), variables)).toEqual({
      schema,
      document,
      variableValues: variables,
    });
  });

  test('are those of mutations', () => {
    const document = parse('query ($filter: EventFilter) { events(filter: $filter) { totalCount } }');
    const variables = { filter: { severity: { in: ['LOW'] } } };
    expect(coerceOurs(document, operationOf(document), variables)).toEqual({
      schema,
      document,
      variableValues: variables,
    });
  });
});

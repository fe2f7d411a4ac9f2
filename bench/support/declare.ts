/** What a server must know before the benchmarks' events are recorded. */
import { ATTRIBUTES } from './sample.ts';

export type Mutate = (query: string, variables: object) => Promise<void>;

/** Calls a server as the holder of the token. */
export function createMutate(port: number, token: string): Mutate {
  return async (query, variables) => {
    const response = await fetch(`http://127.0.0.1:${port}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ query, variables }),
    });
    const { errors } = (await response.json()) as { errors?: unknown };
    if (errors) throw new Error(JSON.stringify(errors));
  };
}

/** The types and attributes of sample.ts. */
export async function declareTypes(port: number, token: string): Promise<void> {
  const mutate = createMutate(port, token);
  for (const [name, kind] of ATTRIBUTES) {
    await mutate('mutation ($input: DefineAttributeInput!) { defineAttribute(input: $input) { name } }', {
      input: { name, kind },
    });
  }
  const define = 'mutation ($input: DefineEventTypeInput!) { defineEventType(input: $input) { name } }';
  await mutate(define, { input: { name: 'bench.plain', category: 'ACTION' } });
  await mutate(define, {
    input: { name: 'bench.rich', category: 'ACTION', attributes: ATTRIBUTES.map(([name]) => ({ name })) },
  });
}

/**
 * Recording by the API's own mutations from within the server: what comes out of the outbox passes every check that
 * a client's request does, as who it was written by.
 */
import { execute, GraphQLError, parse } from 'graphql';
import { parseClaim } from '../access/claim.ts';
import type { Principal } from '../access/principal.ts';
import { type Delivering, DeliveryError } from '../outbox/deliver.ts';
import type { Author } from '../outbox/parcel.ts';
import { Context, type Core } from './context.ts';
import type { FormatError } from './errors.ts';
import { schema } from './schema.ts';

const RECORD = parse(
  'mutation ($input: [RecordEventInput!]!) { recordEvents(input: $input) { events { kept } } }',
);
const PUT = parse('mutation ($input: PutResourceInput!) { putResource(input: $input) { ref } }');

export function createDelivering(core: Core, formatError: FormatError): Delivering {
  async function run(document: typeof RECORD, input: unknown, author: Author | null): Promise<void> {
    const contextValue = new Context(core, principalOf(author));
    const { errors } = await execute({ schema, document, variableValues: { input }, contextValue });
    if (errors?.[0] !== undefined) throw failure(errors[0]);
  }

  function failure(error: unknown): DeliveryError {
    const { message, extensions } = formatError(error, undefined);
    const { code, ...facts } = extensions ?? {};
    return new DeliveryError(String(code), message, facts, { cause: error });
  }

  return {
    record: (events, author) => run(RECORD, events, author),
    put: (resource, author) => run(PUT, resource, author),
  };
}

/** Its rights are those that it was written with. @throws DeliveryError */
function principalOf(author: Author | null): Principal {
  try {
    if (author === null) throw new GraphQLError('it does not say by whom it was written');
    const subject = parseClaim(author.subject);
    return {
      subject,
      claims: new Set([subject, ...author.claims.map(parseClaim)]),
      expiresAt: null,
      issuedAt: author.issuedAt ?? null,
    };
  } catch (error) {
    throw new DeliveryError(
      'BAD_USER_INPUT',
      'A parcel in Eventree’s own database names who wrote it: subject and claims.',
      {},
      {
        cause: error,
      },
    );
  }
}

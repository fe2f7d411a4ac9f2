/** The bank as its customers see it: GraphQL over HTTP. The plugin opens a call for each mutation. */
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createSchema, createYoga, type YogaInitialContext } from 'graphql-yoga';
import { useEventree } from '../../src/recorder/yoga.ts';
import * as accounts from './accounts.ts';
import type { Bank } from './database.ts';
import { NotSignedIn } from './errors.ts';
import { createSessions, type SignedIn } from './sessions.ts';

const typeDefs = /* GraphQL */ `
  type Account { id: ID! owner: String! balance: Int! }
  type Transfer { id: ID! from: ID! to: ID! cents: Int! }
  type Query {
    accounts: [Account!]!
  }
  type Mutation {
    register(name: String!, pin: String!): Boolean!
    """Answers a bearer token."""
    signIn(name: String!, pin: String!): String!
    openAccount(cents: Int! = 0): Account!
    transfer(from: ID!, to: ID!, cents: Int!): Transfer!
    closeAccount(id: ID!): Boolean!
  }
`;

interface FromNode {
  readonly req: IncomingMessage;
}

interface FromBank {
  readonly signedIn: SignedIn | null;
}

type Context = YogaInitialContext & FromNode & FromBank;

export interface Service {
  readonly url: string;
  close(): Promise<void>;
}

export async function startService({ db, recorder }: Bank, port = 0): Promise<Service> {
  const sessions = createSessions(recorder);
  const owner = ({ signedIn }: Context): string => {
    if (signedIn === null) throw new NotSignedIn();
    return signedIn.name;
  };
  const schema = createSchema<Context>({
    typeDefs,
    resolvers: {
      Query: {
        accounts: (_, __, context) => db.account.findMany({ where: { owner: owner(context) } }),
      },
      Mutation: {
        async register(_, { name, pin }: { name: string; pin: string }) {
          await accounts.register(db, name, pin);
          return true;
        },
        async signIn(_, { name, pin }: { name: string; pin: string }, { req }) {
          await accounts.checkPin(db, name, pin);
          return sessions.open(name, req);
        },
        openAccount: (_, { cents }: { cents: number }, context) =>
          accounts.openAccount(db, owner(context), cents),
        transfer: (_, order: accounts.Order, context) => accounts.transfer(db, owner(context), order),
        async closeAccount(_, { id }: { id: string }, context) {
          await accounts.closeAccount(db, owner(context), id);
          return true;
        },
      },
    },
  });
  const yoga = createYoga<FromNode, FromBank>({
    schema,
    logging: false,
    context: ({ req }) => ({ signedIn: sessions.of(req) }),
    plugins: [
      useEventree<FromNode & FromBank>({
        recorder,
        actor: ({ signedIn }) => signedIn?.session.actor,
        session: ({ signedIn }) => signedIn?.session.id,
      }),
    ],
  });
  const http = createServer(yoga);
  http.listen(port, '127.0.0.1');
  await once(http, 'listening');
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/graphql`,
    async close() {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

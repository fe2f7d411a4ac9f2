/**
 * The peer: an audit table behind a mutation, as Yoga's and Prisma's documentation show it. One nested
 * create for each event.
 *
 *     server.ts <port> <database url>
 */
import { createServer } from 'node:http';
import { PrismaPg } from '@prisma/adapter-pg';
import { createSchema, createYoga } from 'graphql-yoga';
import { v7 } from 'uuid';
import { PrismaClient } from './generated/client.ts';

const [port, connectionString] = process.argv.slice(2) as [string, string];
const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString, max: 12 }) });

interface AuditInput {
  readonly type: string;
  readonly resource: string;
  readonly actor: string;
  readonly message: string;
  readonly attributes?: Record<string, unknown>;
  readonly payload: object;
}

const schema = createSchema({
  typeDefs: /* GraphQL */ `
    scalar JSON
    input AuditInput { type: String! resource: String actor: String message: String! attributes: JSON payload: JSON }
    type AuditEvent { id: ID! }
    type Query { ok: Boolean }
    type Mutation { createAudit(input: AuditInput!): AuditEvent! }
  `,
  resolvers: {
    Mutation: {
      createAudit: (_: unknown, { input }: { input: AuditInput }) => createAudit(input),
    },
  },
});

function createAudit({ attributes = {}, ...fields }: AuditInput) {
  const rows = Object.entries(attributes).map(([name, value]) => ({ name, value: String(value) }));
  return prisma.auditEvent.create({
    data: { id: v7(), severity: 'MEDIUM', occurredAt: new Date(), ...fields, attributes: { create: rows } },
    select: { id: true },
  });
}

createServer(createYoga({ schema, logging: false })).listen(Number(port), '127.0.0.1');

/**
 * Keeps the registry's version in force and changes it.
 *
 * Each change is a transaction that holds the row of `installation` and counts its version up; an append
 * made under an older version is refused by the database and made again. A node therefore never needs
 * to be told of a change: it finds out when it matters.
 */
import type { Claim } from '../access/claim.ts';
import type { Principal } from '../access/principal.ts';
import { checkToken, type Revocations } from '../access/revocation.ts';
import { EventreeError, messageOf, StartError } from '../base/errors.ts';
import type { Database } from '../db/database.ts';
import type { PrismaClient } from '../generated/prisma/client.ts';
import type { TransactionClient } from '../generated/prisma/internal/prismaNamespace.ts';
import type { AttributeModel, EventTypeAttributeModel, EventTypeModel } from '../generated/prisma/models.ts';
import type { Attribute, AttributeKind } from './attribute.ts';
import { BUILT_IN, isReserved } from './builtin.ts';
import type { Declarations } from './declaration.ts';
import type { Category, Severity } from './event.ts';
import { checkTemplate } from './message.ts';
import { checkAttributeName, checkTypeName, type EventType, Registry } from './registry.ts';

type Origin = 'BUILT_IN' | 'DECLARED' | 'API';

export interface AttributeDefinition {
  readonly name: string;
  readonly kind: AttributeKind;
  readonly description: string | null;
  readonly indexed: boolean;
  readonly private: boolean;
}

export interface EventTypeDefinition {
  readonly name: string;
  readonly description: string | null;
  readonly category: Category;
  readonly severity: Severity;
  readonly messageTemplate: string | null;
  readonly attributes: readonly { readonly name: string; readonly required: boolean }[];
  readonly enabled: boolean;
}

export interface RegistryStore {
  /** The version this node works by. */
  current(): Registry;
  /** The version in force now, loaded if it is another. */
  refresh(): Promise<Registry>;
  /** Asks the database whether the principal's token still holds. @throws UNAUTHENTICATED */
  confirm(principal: Principal): Promise<void>;
  /** @throws BAD_USER_INPUT, ATTRIBUTE_KIND_MISMATCH */
  defineAttribute(definition: AttributeDefinition): Promise<Attribute>;
  /** @throws BAD_USER_INPUT, UNKNOWN_ATTRIBUTE */
  defineEventType(definition: EventTypeDefinition): Promise<EventType>;
  /** Brings the registry into agreement with a declaration file. @throws StartError */
  synchronize(declarations: Declarations, file: string): Promise<void>;
  /** Says that the index now holds all events of an attribute. */
  indexIsReady(attribute: string): Promise<void>;
}

/** A start that declares everything takes hundreds of statements: seconds, on a machine that is busy. */
const CHANGE = { maxWait: 10_000, timeout: 60_000 };

export async function openRegistry({ pool, prisma }: Database): Promise<RegistryStore> {
  let registry = await load(prisma);

  const change = async <T>(work: (tx: TransactionClient, before: Registry) => Promise<T>): Promise<T> => {
    const result = await prisma.$transaction(async (tx) => {
      await tx.$queryRaw`SELECT id FROM installation FOR UPDATE`;
      const done = await work(tx, await load(tx, registry));
      await tx.installation.update({ where: { id: 1 }, data: { registryVersion: { increment: 1 } } });
      return done;
    }, CHANGE);
    registry = await load(prisma, registry);
    return result;
  };

  const store: RegistryStore = {
    current: () => registry,

    async refresh() {
      const { rows } = await pool.query<{ version: number }>({
        name: 'registry-version',
        text: 'select registry_version as version from installation',
      });
      if (rows[0]?.version !== registry.version) registry = await load(prisma, registry);
      return registry;
    },

    async confirm(principal) {
      if (principal.issuedAt !== null) checkToken(principal, (await store.refresh()).revocations);
    },

    async defineAttribute(definition) {
      await change((tx, before) => putAttribute(tx, before, definition, 'API'));
      return registry.attribute(definition.name);
    },

    async defineEventType(definition) {
      await change((tx, before) => putEventType(tx, before, definition, 'API'));
      return registry.type(definition.name);
    },

    async synchronize(declarations, file) {
      try {
        await change((tx) => putAll(tx, declarations, 'DECLARED'));
      } catch (error) {
        if (!(error instanceof EventreeError)) throw error;
        throw new StartError(
          `The declaration file ${file} contradicts what is recorded: ${messageOf(error)}`,
        );
      }
    },

    async indexIsReady(name) {
      await change((tx) => tx.attribute.update({ where: { name }, data: { indexReady: true } }));
    },
  };

  const missing = missingBuiltIns(registry);
  if (missing !== null) await change((tx) => putAll(tx, missing, 'BUILT_IN'));
  return store;
}

async function putAll(
  tx: TransactionClient,
  { attributes, eventTypes }: Declarations,
  origin: Origin,
): Promise<void> {
  const before = await load(tx);
  for (const [name, { kind, description = null, ...rest }] of Object.entries(attributes)) {
    await putAttribute(tx, before, { name, kind, description, ...rest }, origin);
  }
  const known = await load(tx);
  for (const [name, type] of Object.entries(eventTypes)) {
    const { description = null, messageTemplate = null, ...rest } = type;
    const listed = Object.entries(type.attributes).map(([attribute, { required }]) => ({
      name: attribute,
      required,
    }));
    await putEventType(
      tx,
      known,
      { ...rest, name, description, messageTemplate, attributes: listed },
      origin,
    );
  }
}

async function putAttribute(
  tx: TransactionClient,
  before: Registry,
  definition: AttributeDefinition,
  origin: Origin,
): Promise<void> {
  const { name, kind } = definition;
  checkAttributeName(name);
  const existing = before.attributes.get(name);
  if (existing !== undefined && existing.kind !== kind) {
    throw new EventreeError(
      'ATTRIBUTE_KIND_MISMATCH',
      `The attribute ${name} is of kind ${existing.kind} for good: declare another one for values of kind ${kind}.`,
      { attribute: name, kind: existing.kind },
    );
  }
  // JSON has no order and no terms.
  const indexed = definition.indexed && kind !== 'JSON';
  const data = { description: definition.description, indexed, private: definition.private, origin };
  await tx.attribute.upsert({
    where: { name },
    create: { ...data, name, kind, indexReady: true },
    update: { ...data, indexReady: !indexed || (existing?.indexed === true && existing.indexReady) },
  });
}

async function putEventType(
  tx: TransactionClient,
  before: Registry,
  definition: EventTypeDefinition,
  origin: Origin,
): Promise<void> {
  const { name, description, category, severity, messageTemplate, enabled } = definition;
  checkTypeName(name);
  if (isReserved(name) && origin !== 'BUILT_IN') {
    throw new EventreeError('FORBIDDEN', `The event type ${name} is the server’s own: it stays as it is.`);
  }
  const names = definition.attributes.map((attribute) => attribute.name);
  const twice = names.find((attribute, i) => names.indexOf(attribute) !== i);
  if (twice !== undefined) {
    throw new EventreeError('BAD_USER_INPUT', `The event type ${name} lists the attribute ${twice} twice.`);
  }
  for (const attribute of names) before.attribute(attribute);
  const builtIn = BUILT_IN.eventTypes[name];
  const missing = Object.keys(builtIn?.attributes ?? {}).find((attribute) => !names.includes(attribute));
  if (missing !== undefined) {
    throw new EventreeError(
      'BAD_USER_INPUT',
      `The event type ${name} is built in and keeps its attribute ${missing}.`,
    );
  }
  if (messageTemplate !== null) checkTemplate(messageTemplate, new Set(names));

  const data = { description, category, severity, messageTemplate, enabled, origin };
  const { id } = await tx.eventType.upsert({ where: { name }, create: { ...data, name }, update: data });
  await tx.eventTypeAttribute.deleteMany({ where: { typeId: id } });
  const ids = await tx.attribute.findMany({
    where: { name: { in: names } },
    select: { id: true, name: true },
  });
  const idOf = new Map(ids.map((row) => [row.name, row.id]));
  await tx.eventTypeAttribute.createMany({
    data: definition.attributes.map((attribute, ordinal) => ({
      typeId: id,
      attributeId: idOf.get(attribute.name) as number,
      ordinal,
      required: attribute.required,
    })),
  });
}

/** Built-in declarations are put in once; what an administrator changes of them later stays. */
function missingBuiltIns(registry: Registry): Declarations | null {
  const attributes = Object.entries(BUILT_IN.attributes).filter(([name]) => !registry.attributes.has(name));
  const eventTypes = Object.entries(BUILT_IN.eventTypes).filter(([name]) => !registry.types.has(name));
  if (attributes.length === 0 && eventTypes.length === 0) return null;
  return { attributes: Object.fromEntries(attributes), eventTypes: Object.fromEntries(eventTypes) };
}

/** @param before a version that is known: of the revocations, which are many, only those since are read. */
async function load(prisma: PrismaClient | TransactionClient, before?: Registry): Promise<Registry> {
  // The version first: what is read after it is at least as new, and an append under it is refused if newer.
  const { registryVersion } = await prisma.installation.findUniqueOrThrow({ where: { id: 1 } });
  const types = await prisma.eventType.findMany({
    orderBy: { name: 'asc' },
    include: { attributes: { orderBy: { ordinal: 'asc' }, include: { attribute: true } } },
  });
  const attributes = await prisma.attribute.findMany({ orderBy: { name: 'asc' } });
  const since = await prisma.tokenRevocation.findMany({
    where: { registryVersion: { gt: before?.version ?? 0 } },
  });
  const revocations: Revocations = new Map([
    ...(before?.revocations ?? []),
    ...since.map((row): [Claim, number] => [row.subject as Claim, row.issuedBefore.getTime()]),
  ]);
  return new Registry(registryVersion, attributes.map(toAttribute), types.map(toEventType), revocations);
}

function toAttribute({
  name,
  kind,
  description,
  indexed,
  private: isPrivate,
  indexReady,
}: AttributeModel): Attribute {
  return { name, kind, description, indexed, private: isPrivate, indexReady };
}

function toEventType(
  row: EventTypeModel & { attributes: (EventTypeAttributeModel & { attribute: AttributeModel })[] },
): EventType {
  const { name, description, category, severity, messageTemplate, enabled } = row;
  const attributes = row.attributes.map(({ required, attribute }) => ({
    required,
    attribute: toAttribute(attribute),
  }));
  return { name, description, category, severity, messageTemplate, enabled, attributes };
}

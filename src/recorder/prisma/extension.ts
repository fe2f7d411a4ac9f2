/**
 * The extension of a Prisma client: its writes are recorded in the transaction in which they happen, below the call
 * that runs. Reads and raw queries go past it.
 *
 *     const prisma = new PrismaClient({ adapter }).$extends(eventree({ recorder }));
 *
 * Outside of a transaction an operation gets one of its own; within one it uses that. `$transaction([…])` becomes
 * one that is run step by step: between its operations there is something to read.
 */
import { runOn } from '../../outbox/statement.ts';
import { RecorderError } from '../errors.ts';
import { asOfCaller, isOfDriver } from './caller-errors.ts';
import { Connections } from './connections.ts';
import {
  type Args,
  type Client,
  clientIn,
  clientOf,
  type Interactive,
  type QueryHook,
  type TransactionOptions,
} from './internals.ts';
import { type Model, modelNamed, readModels, referring } from './models.ts';
import { isTouched } from './nested.ts';
import { perform } from './perform.ts';
import { Queues } from './queues.ts';
import { type EventreeOptions, reachesRecorded, readSettings, type Settings } from './settings.ts';
import { Raced, WRITES, type Write } from './step.ts';
import { tracked, transactionMethod } from './transaction.ts';

/** What `$extends` takes, and what leaves a client's type as it is. */
export type EventreeExtension = (client: unknown) => {
  readonly $extends: {
    readonly extArgs: { result: Nothing; model: Nothing; query: Nothing; client: Nothing };
  };
};

// biome-ignore lint/complexity/noBannedTypes: Prisma's own word for what an extension does not add.
type Nothing = {};

/** An operation has as long as it takes, as without a transaction. In ms; more is no time that can be set. */
const NO_LIMIT = 2 ** 31 - 1;
const MOST_TRIES = 5;

/**
 * Records what is written by a client.
 *
 * @throws RecorderError (from `$extends`) BAD_INPUT for options that do not fit the schema.
 */
export function eventree(options: EventreeOptions): EventreeExtension {
  const extend = (given: unknown) => {
    const client = clientOf(given);
    const { inlineSchema, adapter } = client._engineConfig;
    const models = readModels(inlineSchema, client._runtimeDataModel, adapter?.options?.schema);
    const settings = readSettings(options, models);
    const recorded = [...models.values()].filter((model) => leadsToRecorded(settings, model));
    const connections = new Connections(adapter);
    const hook = hookOf(client, settings, connections);
    const hooks = Object.fromEntries(WRITES.map((write) => [write, hook]));
    return client.$extends({
      name: 'eventree',
      query: Object.fromEntries(recorded.map(({ property }) => [property, hooks])),
      client: {
        $transaction: transactionMethod(client, new Set(recorded.map(({ name }) => name)), connections),
      },
    });
  };
  // What $extends answers has far more than the type says.
  return extend as unknown as EventreeExtension;
}

/** Whether a write to the model may reach one that is recorded, by relations or foreign keys. */
function leadsToRecorded({ models, plans }: Settings, start: Model): boolean {
  const seen = new Set([start.name]);
  for (const name of seen) {
    if (plans.has(name)) return true;
    for (const { to } of modelNamed(models, name).relations.values()) seen.add(to);
  }
  return false;
}

function hookOf(
  client: Client,
  settings: Settings,
  connections: Connections,
): (hook: QueryHook) => Promise<unknown> {
  const queues = new Queues();
  const { isolationLevel } = client._engineConfig.transactionOptions;
  // A level that was set for transactions is not one for operations outside of them.
  const ownOptions: TransactionOptions = {
    maxWait: NO_LIMIT,
    timeout: NO_LIMIT,
    ...(isolationLevel !== undefined && { isolationLevel: 'ReadCommitted' }),
  };

  return ({ model: name, operation, args, query, __internalParams: params }) => {
    const model = modelNamed(settings.models, name);
    const write = operation as Write;
    if (!concerns(settings, model, write, args)) return query(args);
    const given = params.transaction;
    if (given?.kind === 'batch') return refuseBatch(`${name}.${operation}`, given.lock);
    const asked = { clientMethod: params.clientMethod, modelName: name, errorFormat: client._errorFormat };
    const performIn = (running: Interactive, isOwn: boolean) =>
      perform({
        settings,
        model,
        write,
        args,
        dataPath: params.dataPath,
        omitted: client._globalOmit?.[model.property] ?? {},
        transaction: once(() => clientIn(client, running)),
        connection: connections.of(running.id),
        isOwn,
        outside: runOn(client._originalClient),
        asked,
        query: (changed, more) => query(changed, { ...params, ...more, transaction: running }),
      });
    if (given !== undefined) {
      return queues.run(given.id, () => performIn(given, false));
    }
    const performAlone = async () => {
      let own: Interactive | undefined;
      try {
        return await connections.start((tracking) =>
          client._originalClient.$transaction(
            tracked(tracking, (_, running) => {
              own = running;
              return performIn(running, true);
            }),
            ownOptions,
          ),
        );
      } catch (error) {
        // The commit failed, which the caller knows nothing of.
        if (own === undefined || !isOfDriver(error)) throw error;
        throw await asOfCaller(error, asked, clientIn(client, own));
      }
    };
    return again(performAlone, MOST_TRIES);
  };
}

/** Most operations need none, and one takes its time to make. */
function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/** A list runs at once and leaves nothing between its operations, in which to read. */
async function refuseBatch(what: string, lock: PromiseLike<void>): Promise<never> {
  // As all others of the list do: none is sent before all have come.
  await lock;
  throw new RecorderError(
    'BAD_INPUT',
    `${what} runs in a $transaction([…]) of a client without eventree(), which cannot be recorded: call $transaction on the client that has it, or apply it last.`,
  );
}

/** What only failed because others were faster is done again: nothing of it has been committed. */
async function again(run: () => Promise<unknown>, tries: number): Promise<unknown> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof Raced) || tries <= 1) throw error;
    return again(run, tries - 1);
  }
}

/** Whether there may be something to record: always of models that are recorded. */
function concerns(settings: Settings, model: Model, write: Write, args: Args): boolean {
  const { models, plans } = settings;
  if (plans.has(model.name)) return true;
  if (write.startsWith('delete')) return reachesRecorded(settings, model, 'onDelete');
  const refers = referring(models, model.name);
  return (
    isTouched(model, refers, args.data) ||
    isTouched(model, refers, args.create) ||
    isTouched(model, refers, args.update)
  );
}

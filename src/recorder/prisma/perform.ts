/**
 * An operation of a model, done as its caller asked for and recorded in the same transaction:
 *
 *     read and lock what may change ──▶ the operation itself ──▶ read what became of it ──▶ write its events
 */
import { type Run, runOn } from '../../outbox/statement.ts';
import { RecorderError } from '../errors.ts';
import { type Asked, asOfCaller, isConflict, isOver } from './caller-errors.ts';
import { type History, historyOf } from './history.ts';
import { createMany, deleteMany, updateMany } from './many.ts';
import { givenIn } from './nested.ts';
import { one } from './one.ts';
import type { Statements } from './rows.ts';
import type { Operation, Step, Write } from './step.ts';
import { type Guard, Watch } from './watch.ts';

/** Does what the caller asked for, and records it. @returns what the caller gets. */
export async function perform(operation: Operation): Promise<unknown> {
  const { settings, transaction, connection } = operation;
  const guard = guardOf(operation);
  const guarded =
    (run: Run): Run =>
    (text, values) =>
      guard(() => run(text, values));
  const byPrisma: Statements = {
    run: guarded((text, values) => runOn(transaction())(text, values)),
    forms: 'prisma',
  };
  const quickest: Statements =
    connection === null ? byPrisma : { run: guarded(runOn(connection.now)), forms: 'driver' };
  const watch = new Watch(settings, transaction, { byPrisma, quickest }, guard);
  const result = await PERFORM[operation.write]({ ...operation, run: quickest.run, guard, watch });
  const { data, update } = operation.args;
  const given = new Set([...givenIn(data), ...givenIn(update)]);
  const history = await historyOf(watch.entries, settings, transaction, given);
  try {
    await guard(() => write(history, operation));
  } catch (error) {
    throw asUnrecorded(error, operation.asked);
  }
  return result;
}

/** What the caller may try again, or has been told by the recorder, stays as it is. */
function asUnrecorded(error: unknown, { clientMethod }: Asked): unknown {
  const isKnown = error instanceof RecorderError || isConflict(error) || isOver(error);
  if (isKnown) return error;
  const why = error instanceof Error ? error.message.trim() : String(error);
  return new RecorderError(
    'UNRECORDED',
    `${clientMethod} was not done, because its events could not be written: ${why}`,
    { cause: error },
  );
}

function guardOf({ asked, args, query, transaction }: Operation): Guard {
  return async (run) => {
    try {
      return await run();
    } catch (error) {
      // The operation itself says so in its own words, and does nothing.
      if (isOver(error)) await query(args, {});
      throw await asOfCaller(error, asked, transaction());
    }
  };
}

const PERFORM: Readonly<Record<Write, (step: Step) => Promise<unknown>>> = {
  create: one,
  update: one,
  upsert: one,
  delete: one,
  createMany,
  createManyAndReturn: createMany,
  updateMany,
  updateManyAndReturn: updateMany,
  deleteMany,
};

/** Writes the events below the scope that runs, or by themselves where none does. */
async function write({ events, resources }: History, { settings, ...operation }: Operation): Promise<void> {
  if (events.length === 0) return;
  const { recorder } = settings;
  const transaction = operation.connection?.later ?? operation.transaction();
  const scope = recorder.current();
  if (scope !== null) {
    await scope.recordIn(transaction, events, resources);
    return;
  }
  for (const [i, event] of events.entries()) {
    await recorder.record(event, { transaction, resources: i === 0 ? resources : [] });
  }
}

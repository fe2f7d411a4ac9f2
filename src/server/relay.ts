/**
 * Moves what recorders write straight into this database: parcels into the journal, and markers of recorders that
 * are gone. Every server does; each parcel is moved by one of them.
 */
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { startLoop } from '../base/loop.ts';
import type { Database } from '../db/database.ts';
import { startListening } from '../db/listen.ts';
import { reportTo } from '../db/trouble.ts';
import type { Core } from '../graphql/context.ts';
import type { FormatError } from '../graphql/errors.ts';
import { createDelivering } from '../graphql/relay.ts';
import { countParcels, type ParcelCounts } from '../outbox/claim.ts';
import { createDeliver, DeliveryError } from '../outbox/deliver.ts';
import { OUTBOX_CHANNEL } from '../outbox/outbox.ts';
import { startRelay } from '../outbox/relay.ts';
import { runOn } from '../outbox/statement.ts';

export interface ServerRelayOptions {
  readonly database: Database;
  /** Of the same database: it takes a connection of its own to listen. */
  readonly url: string;
  readonly core: Core;
  readonly formatError: FormatError;
  readonly limits: { readonly maxBatchEvents: number };
  readonly logger: Logger;
}

export interface ServerRelay {
  /** How many are in the outbox, as of a moment ago; null where the database could not be asked. */
  parcels(): ParcelCounts | null;
  stop(): Promise<void>;
}

const COUNT_INTERVAL_MS = 5_000;

export function startServerRelay({
  database,
  url,
  core,
  formatError,
  limits,
  logger,
}: ServerRelayOptions): ServerRelay {
  const report = reportTo(logger);
  const relay = startRelay({
    database: database.pool,
    deliver: createDeliver(createDelivering(core, formatError), limits.maxBatchEvents),
    onRefused(error, { id, author, events }) {
      logger.error(
        { parcel: id, author: author?.subject, events: events.length, error: messageOf(error) },
        'a parcel of the outbox was refused; it is kept and tried again',
      );
    },
    onError(error) {
      if (!(error instanceof DeliveryError)) return report(error);
      logger.warn({ error: error.message }, 'the outbox cannot be moved at the moment');
    },
  });
  const listening = startListening({
    url,
    channel: OUTBOX_CHANNEL,
    onNotice: relay.nudge,
    onError: report,
  });
  let parcels: ParcelCounts | null = null;
  const counting = startLoop({
    intervalMs: COUNT_INTERVAL_MS,
    async work() {
      parcels = await countParcels(runOn(database.pool));
      return false;
    },
    onError() {
      // The relay meets the same and reports it.
      parcels = null;
    },
  });
  return {
    parcels: () => parcels,
    async stop() {
      await counting.stop();
      await listening.stop();
      await relay.stop();
    },
  };
}

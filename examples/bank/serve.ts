/**
 * The bank by itself, beside an Eventree that runs already:
 *
 *     BANK_DATABASE_URL=… EVENTREE_SERVER=… EVENTREE_TOKEN=… tsx examples/bank/serve.ts
 */
import { openBank } from './database.ts';
import { startService } from './service.ts';

const { BANK_DATABASE_URL, EVENTREE_SERVER, EVENTREE_TOKEN, BANK_PORT } = process.env;
if (!BANK_DATABASE_URL || !EVENTREE_SERVER || !EVENTREE_TOKEN) {
  throw new Error('Set BANK_DATABASE_URL, EVENTREE_SERVER and EVENTREE_TOKEN.');
}
const bank = await openBank({
  databaseUrl: BANK_DATABASE_URL,
  eventree: { url: EVENTREE_SERVER, token: EVENTREE_TOKEN },
});
const service = await startService(bank, Number(BANK_PORT ?? 0));
process.stdout.write(`${service.url}\n`);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => service.close().then(bank.close));
}

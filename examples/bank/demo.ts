/**
 * `npm run example:bank`: a small bank with an Eventree of its own, some customers, a night; and what the journal
 * then has to tell. There is nothing to configure, and nothing is left. To see how it is done, read
 *
 *     schema.prisma, accounts.ts   a bank: tables, and what is done with them. Not a word of events
 *     database.ts                  the Prisma extension, which records what is written to the tables
 *     service.ts                   the Yoga plugin, which opens a call for each mutation
 *     sessions.ts, nightly.ts      what the bank says itself
 */
import pc from 'picocolors';
import { printTree, readTree, startEventree, type TestEventree } from '../../src/testing/index.ts';
import { createCustomer } from './customer.ts';
import { openBank } from './database.ts';
import types from './eventree.types.ts';
import { payInterest } from './nightly.ts';
import { startService } from './service.ts';

const print = (text: string) => process.stdout.write(`${text}\n`);

async function day(url: string): Promise<void> {
  const [jane, joe] = [createCustomer(url, 'jane'), createCustomer(url, 'joe')];
  for (const customer of [jane, joe]) {
    await customer.register();
    await customer.signIn();
  }
  const [from, to] = [await jane.openAccount(100_00), await joe.openAccount(0)];
  await jane.transfer(from, to, 25_00);
  // More than there is: both accounts stay as they are, and so does what is told of them.
  await jane
    .transfer(from, to, 500_00)
    .catch((error: Error) => print(pc.dim(`Jane was told: ${error.message}\n`)));
  await joe.transfer(to, from, 25_00);
  await joe.closeAccount(to);
}

/** All trees, in the order in which they were recorded. Ids are cut, for a person to read. */
async function printJournal(eventree: TestEventree): Promise<void> {
  const client = eventree.client();
  for (const { id, parent } of await eventree.journal()) {
    if (parent === null) print(`${shortened(printTree(await readTree(client, id), pc))}\n`);
  }
}

function shortened(text: string): string {
  return text.replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{8}([0-9a-f]{4})/g, '…$1');
}

async function timed<T>(work: () => Promise<T>): Promise<[T, number]> {
  const startedAt = performance.now();
  const result = await work();
  return [result, Math.round(performance.now() - startedAt)];
}

const [eventree, firstMs] = await timed(() => startEventree({ types }));
try {
  const bank = await openBank({
    databaseUrl: await eventree.database(),
    eventree: { url: eventree.url, token: await eventree.token({ subject: 'bank', groups: ['admin'] }) },
  });
  const service = await startService(bank);
  await day(service.url);
  await payInterest(bank.db, bank.recorder);
  await bank.recorder.flush();
  await printJournal(eventree);
  await service.close();
  await bank.close();

  const [second, secondMs] = await timed(() => startEventree({ types }));
  await second.close();
  print(
    pc.dim(`For tests: the first Eventree was there after ${firstMs} ms, a second one after ${secondMs} ms.`),
  );
} finally {
  await eventree.close();
}

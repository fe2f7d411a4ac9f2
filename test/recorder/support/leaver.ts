/**
 * A program whose recorder finds nobody who answers, and that closes it: with a call under way, another one that waits
 * for room, and one that has ended. It says so on its standard output, and ends when nothing keeps it any more.
 *
 *     leaver.ts <options of the recorder as JSON> [port of the database]
 */
import pg from 'pg';
import { createRecorder } from '../../../src/recorder/index.ts';

const [options, port] = process.argv.slice(2) as [string, string | undefined];
const pool = port === undefined ? null : new pg.Pool({ host: '127.0.0.1', port: Number(port), user: 'bank' });
pool?.on('error', () => {});
const recorder = createRecorder({
  ...JSON.parse(options),
  ...(pool !== null && { outbox: pool }),
  maxBufferedEvents: 1,
  closeTimeoutMs: 1_000,
  onError: () => {},
});

let begun = () => {};
const underWay = new Promise<void>((resolve) => {
  begun = resolve;
});
void recorder.call('never ends', () => {
  begun();
  return new Promise(() => {});
});
await underWay;
await recorder.call('ended', () => 1);
// The buffer is full by now.
const waiting = recorder.call('waits for room', () => 2).catch(({ code }) => code);
const startedAt = performance.now();
await recorder.close();
console.log(JSON.stringify({ ms: Math.round(performance.now() - startedAt), waiting: await waiting }));

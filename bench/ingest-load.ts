/**
 * The load of bench/ingest.ts, in a process of its own: as many clients as asked for, each sending one
 * request after the other for so many seconds. Prints one line of JSON.
 *
 *     ingest-load.ts <port> <token> <http|ws> <clients> <events a request> <attributes> <seconds> [naive]
 */
import WebSocket from 'ws';
import { encodeRequest, openConnection } from './support/raw-http.ts';
import { sampleEvent } from './support/sample.ts';

const [port, token, door, clients, perRequest, attributes, seconds, naive] = process.argv.slice(
  2,
) as string[];
const PREPARED = 200;

const single = 'mutation ($input: RecordEventInput!) { recordEvent(input: $input) { event { id } } }';
const batch = 'mutation ($input: [RecordEventInput!]!) { recordEvents(input: $input) { events { id } } }';
const audit = 'mutation ($input: AuditInput!) { createAudit(input: $input) { id } }';
const query = naive ? audit : perRequest === '1' ? single : batch;

/** Requests made ready: the load must not be what is measured. */
const prepared = Array.from({ length: PREPARED }, (_, nth) => {
  const events = Array.from({ length: Number(perRequest) }, (_, i) =>
    sampleEvent(nth * 97 + i, Number(attributes)),
  );
  const payload = { query, variables: { input: perRequest === '1' ? events[0] : events } };
  return door === 'ws'
    ? JSON.stringify({ id: '1', type: 'subscribe', payload })
    : encodeRequest(Number(port), token as string, JSON.stringify(payload));
});

let requests = 0;
let failure: string | undefined;
const note = (answer: string) => {
  requests++;
  if (answer.includes('"errors"')) failure = answer.slice(0, 500);
};

const send = door === 'ws' ? overWs : overHttp;
const cpuBefore = process.cpuUsage();
const started = performance.now();
const deadline = started + Number(seconds) * 1_000;
await Promise.all(Array.from({ length: Number(clients) }, (_, client) => send(client)));
const elapsed = (performance.now() - started) / 1_000;
const cpu = process.cpuUsage(cpuBefore);
if (failure !== undefined) throw new Error(`The server refused: ${failure}`);
console.log(
  JSON.stringify({
    eventsPerSecond: (requests * Number(perRequest)) / elapsed,
    loadCpu: (cpu.user + cpu.system) / 1e6 / elapsed,
  }),
);
process.exit();

async function overHttp(client: number): Promise<void> {
  const connection = await openConnection(Number(port));
  for (let nth = client; performance.now() < deadline; nth++) {
    note(await connection.send(prepared[nth % PREPARED] as Buffer));
  }
  connection.close();
}

function overWs(client: number): Promise<void> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/graphql`, 'graphql-transport-ws');
  let nth = client;
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('open', () => {
      socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }));
    });
    socket.on('message', (data) => {
      const message = String(data);
      if (message.includes('"type":"next"')) return note(message);
      // connection_ack, or the `complete` of the one before.
      if (performance.now() < deadline) return socket.send(prepared[nth++ % PREPARED] as string);
      socket.close();
      resolve();
    });
  });
}

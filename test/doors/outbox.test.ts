/** Live messages on their way to one connection, with real sockets at both ends. */
import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { Envelope } from '../../src/server/block.ts';
import { Outbox } from '../../src/server/outbox.ts';
import { FrameEnvelope } from '../../src/server/ws-frame.ts';

/** For what comes in a moment, on a machine that is busy. */
const PATIENT = { timeout: 10_000 };

const BARE: Envelope = {
  size: (payload) => payload.length,
  write: (into, at, payload) => at + payload.copy(into, at),
  isLike: (other) => other === BARE,
  readdress: (_into, at, payload) => at + payload.length,
};

async function openConnection() {
  const server = createServer().listen(0, '127.0.0.1');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const client = connect(port, '127.0.0.1');
  const [near] = await accepted;
  onTestFinished(() => {
    client.destroy();
    near.destroy();
    server.close();
  });
  const parts: Buffer[] = [];
  let received = 0;
  client.on('data', (part: Buffer) => {
    parts.push(part);
    received += part.length;
  });
  const writes = vi.spyOn(near, 'write');
  let written = 0;
  const outbox = new Outbox({
    stream: near,
    isOpen: () => near.writable,
    onWritten: (messages) => {
      written += messages;
    },
  });
  const bytes = () => Buffer.concat(parts);
  const text = () => bytes().toString();
  return { near, client, outbox, writes, bytes, text, received: () => received, written: () => written };
}

/** A text that is not masked, by RFC 6455, section 5.2. */
function frameOf(text: string): Buffer {
  const bytes = Buffer.from(text);
  const head = Buffer.alloc(bytes.length < 126 ? 2 : bytes.length < 65_536 ? 4 : 10);
  head[0] = 0x81;
  if (head.length === 2) head.writeUInt8(bytes.length, 1);
  if (head.length === 4) head.writeUInt8(126, 1) && head.writeUInt16BE(bytes.length, 2);
  if (head.length === 10) head.writeUInt8(127, 1) && head.writeBigUInt64BE(BigInt(bytes.length), 2);
  return Buffer.concat([head, bytes]);
}

const message = (bytes: number) => Buffer.alloc(bytes, 'x');

test('what comes while nothing was written lately is written within the turn', async () => {
  const { outbox, writes } = await openConnection();
  const wire = outbox.wire(BARE);
  wire.push(message(700));
  expect(writes).not.toHaveBeenCalled();
  await Promise.resolve();
  await new Promise((resolve) => process.nextTick(resolve));
  expect(writes).toHaveBeenCalledTimes(1);
});

test('what comes faster is gathered over several turns and written in one piece, in order', async () => {
  const { outbox, writes, text, received, written } = await openConnection();
  const [one, other] = [outbox.wire(BARE), outbox.wire(BARE)];
  one.push(Buffer.from('first '));
  await new Promise((resolve) => process.nextTick(resolve));
  const parts = ['a', 'b', 'c', 'd', 'e', 'f'];
  for (const [nth, part] of parts.entries()) {
    (nth % 2 === 0 ? one : other).push(Buffer.from(part));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await vi.waitUntil(() => received() === 'first abcdef'.length, PATIENT);
  expect(written()).toBe(7);
  // Another two where this machine was held up for longer than messages are gathered.
  expect(writes.mock.calls.length).toBeLessThanOrEqual(4);
  expect(text()).toBe('first abcdef');
});

test('64 kB are not waited with', async () => {
  const { outbox, writes } = await openConnection();
  const wire = outbox.wire(BARE);
  wire.push(message(1));
  await new Promise((resolve) => process.nextTick(resolve));
  for (let kB = 0; kB < 64; kB++) wire.push(message(1_024));
  expect(writes).toHaveBeenCalledTimes(2);
});

test('what is flushed is there before whatever is written next', async () => {
  const { near, outbox, text } = await openConnection();
  const wire = outbox.wire(BARE);
  wire.push(Buffer.from('1 '));
  await new Promise((resolve) => process.nextTick(resolve));
  wire.push(Buffer.from('2 '));
  outbox.flush();
  near.write('3');
  await vi.waitUntil(() => text() === '1 2 3', PATIENT);
});

test('a connection that takes nothing is full before it holds a megabyte, and says when it has drained', async () => {
  const { near, client, outbox, received } = await openConnection();
  client.pause();
  const wire = outbox.wire(BARE);
  let pushed = 0;
  for (let idle = 0; idle < 20; ) {
    if (wire.push(message(16_384))) pushed++;
    else {
      idle++;
      // What the system's own buffers take is no burden of ours.
      await sleep(5);
    }
  }
  expect(near.writableLength).toBeGreaterThan(100_000);
  expect(near.writableLength).toBeLessThan(1_048_576);
  const drained = vi.fn();
  const forgotten = vi.fn();
  wire.whenDrained(drained);
  wire.whenDrained(forgotten)();
  expect(drained).not.toHaveBeenCalled();
  client.resume();
  await vi.waitUntil(() => drained.mock.calls.length === 1, PATIENT);
  expect(forgotten).not.toHaveBeenCalled();
  expect(wire.push(message(1))).toBe(true);
  await vi.waitUntil(() => received() === pushed * 16_384 + 1, PATIENT);
});

test('who asks a connection that is empty is told as well', async () => {
  const { outbox } = await openConnection();
  await new Promise<void>((resolve) => void outbox.wire(BARE).whenDrained(resolve));
});

test('nothing is written any more to a connection that is closing', async () => {
  const { near, outbox, writes } = await openConnection();
  const wire = outbox.wire(BARE);
  near.end();
  expect(wire.push(message(700))).toBe(true);
  outbox.flush();
  expect(writes).not.toHaveBeenCalled();
});

test('all subscriptions of a connection share what it may hold', async () => {
  const { outbox } = await openConnection();
  const [one, other] = [outbox.wire(BARE), outbox.wire(BARE)];
  expect(one.reserve(200_000)).toBe(true);
  expect(other.reserve(100_000)).toBe(false);
  one.free(200_000);
  expect(other.reserve(100_000)).toBe(true);
});

test('connections that are due together get each its own bytes, also one that takes them late', async () => {
  const connections = await Promise.all(Array.from({ length: 8 }, openConnection));
  const wires = connections.map(({ outbox }) => outbox.wire(BARE));
  const late = connections[2] as Awaited<ReturnType<typeof openConnection>>;
  const sent = connections.map(() => '');
  const pushRound = async (round: number) => {
    for (const [nth, wire] of wires.entries()) {
      const text = `<${round} for ${nth} ${String.fromCharCode(65 + (round % 26)).repeat(20_000)}>`;
      if (wire.push(Buffer.from(text))) sent[nth] += text;
    }
    // Long enough for the next round to be due at once.
    await sleep(6);
  };
  await pushRound(0);
  // It takes nothing any more: what the system has room for is filled past the outbox.
  late.client.pause();
  const filling = 'f'.repeat(1_000_000);
  while (late.near.writableLength === 0) {
    late.near.write(filling);
    sent[2] += filling;
  }
  // What it has not taken waits while others get the same memory again.
  for (let round = 1; round < 10; round++) await pushRound(round);
  late.client.resume();
  for (const [nth, { received, text }] of connections.entries()) {
    await vi.waitUntil(() => received() === sent[nth]?.length, PATIENT);
    expect(text() === sent[nth]).toBe(true);
  }
});

test('connections that are told the same are each addressed as themselves, also where one takes it late', async () => {
  const connections = await Promise.all(Array.from({ length: 12 }, openConnection));
  // Two lengths of ids, and one connection with subscriptions of both. Alike are the late one and the next, and the last two.
  const ids = connections.map((_, nth) => [`${nth % 3 === 0 ? 'long-' : ''}${10 + nth}`]);
  ids[7]?.push('long-99', '98');
  const late = connections[4] as Awaited<ReturnType<typeof openConnection>>;
  const wires = connections.map(({ outbox }, nth) =>
    (ids[nth] as string[]).map((id) => outbox.wire(new FrameEnvelope(id))),
  );
  const sent = connections.map(() => [] as Buffer[]);
  const say = (payload: Buffer, to: (nth: number) => boolean = () => true) => {
    for (const [nth, own] of wires.entries()) {
      for (const [which, wire] of own.entries()) {
        const text = `{"id":"${ids[nth]?.[which]}","type":"next","payload":${payload}}`;
        if (to(nth) && wire.push(payload)) sent[nth]?.push(frameOf(text));
      }
    }
  };
  say(Buffer.from('"first"'));
  await sleep(6);
  late.client.pause();
  const filling = Buffer.alloc(1_000_000, 'f');
  while (late.near.writableLength === 0) {
    late.near.write(filling);
    sent[4]?.push(filling);
  }
  for (let round = 0; round < 8; round++) {
    for (const letter of 'abc') say(Buffer.from(JSON.stringify(letter.repeat(round * 300))));
    // Some rounds are the same for all; others begin alike.
    if (round > 4) say(Buffer.from('"odd"'), (nth) => nth % 2 === 1);
    // The longest of the three heads that a frame may have, and more than there is room for.
    if (round === 2) say(Buffer.from(JSON.stringify('x'.repeat(70_000))));
    if (round === 3) say(Buffer.from(JSON.stringify('y'.repeat(150_000))));
    // One that keeps for a while what it is given.
    if (round === 4) connections[10]?.near.cork();
    await sleep(6);
    if (round === 6) connections[10]?.near.uncork();
  }
  late.client.resume();
  for (const [nth, { received, bytes }] of connections.entries()) {
    const due = Buffer.concat(sent[nth] as Buffer[]);
    await vi.waitUntil(() => received() === due.length, PATIENT);
    expect(bytes().equals(due)).toBe(true);
  }
});

test('what is the same for many is put together once', async () => {
  const connections = await Promise.all(Array.from({ length: 10 }, openConnection));
  const envelopes = connections.map((_, nth) => new FrameEnvelope(`id-${nth}`));
  const wrote = envelopes.map((envelope) => vi.spyOn(envelope, 'write'));
  const wires = connections.map(({ outbox }, nth) => outbox.wire(envelopes[nth] as FrameEnvelope));
  for (let turn = 0; turn < 5; turn++) {
    const payload = Buffer.from(`"${turn}"`);
    for (const wire of wires) wire.push(payload);
    await sleep(6);
  }
  // Each its first, of which nobody knows yet whether it is taken at once; then one of them for all.
  const calls = wrote.reduce((sum, { mock }) => sum + mock.calls.length, 0);
  expect(calls).toBe(10 + 4);
});

/** The memory of what an outbox writes turn by turn, to a stream that takes so many blocks and then no more. */
async function memoryOfTurns(turns: number, taken: number): Promise<ArrayBufferLike[]> {
  let left = taken;
  const stream = new Writable({
    write(_part, _encoding, done) {
      if (left-- > 0) done();
    },
  });
  const write = vi.spyOn(stream, 'write');
  const outbox = new Outbox({ stream, isOpen: () => true, onWritten: () => {} });
  const wire = outbox.wire(BARE);
  for (let turn = 0; turn < turns; turn++) {
    wire.push(message(700));
    await vi.waitUntil(() => write.mock.calls.length > turn, { ...PATIENT, interval: 5 });
  }
  return write.mock.calls.map(([part]) => (part as Buffer).buffer);
}

test('what is taken at once is written from the same memory, again and again', async () => {
  const [, ...others] = await memoryOfTurns(30, 30);
  expect(new Set(others).size).toBe(1);
});

test('one that takes nothing any more keeps little more memory than its messages need', async () => {
  const [, taken, pending, ...others] = await memoryOfTurns(40, 2);
  expect(pending).toBe(taken);
  const bytes = [...new Set(others)].reduce((sum, { byteLength }) => sum + byteLength, 0);
  expect(bytes).toBeLessThan(100_000);
});

test('connections that stall together do not keep a piece of memory each', async () => {
  const turns = await Promise.all(Array.from({ length: 100 }, () => memoryOfTurns(3, 2)));
  const kept = new Set(turns.map(([, , pending]) => pending));
  expect([...kept].reduce((sum, memory) => sum + (memory?.byteLength ?? 0), 0)).toBeLessThan(1_000_000);
});

test('a message that cannot be written leaves nothing behind that others would be sent', async () => {
  const connections = [await openConnection(), await openConnection()] as const;
  const [one, other] = connections.map(({ outbox }, nth) => outbox.wire(new FrameEnvelope(`id-${nth}`)));
  const say = async (text: string) => {
    one?.push(Buffer.from(text));
    other?.push(Buffer.from(text));
    await sleep(6);
  };
  await say('"first"');
  const payload = Buffer.from('"again"');
  one?.push(payload);
  connections[0].outbox.flush();
  const broken: Envelope = {
    ...BARE,
    write(into, at, text) {
      into.write('spoilt', at);
      throw new Error(`${text}`);
    },
  };
  connections[0].outbox.wire(broken).push(Buffer.alloc(60, 'x'));
  expect(() => connections[0].outbox.flush()).toThrow();
  other?.push(payload);
  connections[1].outbox.flush();
  const due = ['"first"', '"again"'].map((text) => frameOf(`{"id":"id-1","type":"next","payload":${text}}`));
  const { received, bytes } = connections[1];
  await vi.waitUntil(() => received() === Buffer.concat(due).length, PATIENT);
  expect(bytes().equals(Buffer.concat(due))).toBe(true);
});

test('a response over HTTP, which is written at the end of a turn, takes the memory from nobody', async () => {
  const server = createHttpServer().listen(0, '127.0.0.1');
  const requested = once(server, 'request') as Promise<[IncomingMessage, ServerResponse]>;
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const fetching = fetch(`http://127.0.0.1:${port}`);
  const [, response] = await requested;
  onTestFinished(() => {
    response.destroy();
    server.close();
  });
  const { outbox, writes } = await openConnection();
  const isOpen = () => true;
  const ofResponse = new Outbox({ stream: response, isOpen, onWritten: () => {} });
  const wires = [ofResponse.wire(BARE), outbox.wire(BARE)];
  for (let turn = 0; turn < 20; turn++) {
    for (const wire of wires) wire.push(Buffer.from(`${turn} `));
    await sleep(10);
  }
  response.end();
  expect(await (await fetching).text()).toBe(Array.from({ length: 20 }, (_, turn) => `${turn} `).join(''));
  const [, ...others] = writes.mock.calls.map(([part]) => (part as Buffer).buffer);
  expect(new Set(others).size).toBe(1);
});

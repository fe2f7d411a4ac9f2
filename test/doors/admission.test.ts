import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createClient } from 'graphql-ws';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { describe, expect, onTestFinished, test } from 'vitest';
import WebSocket from 'ws';
import type { RunningServer } from '../../src/server/server.ts';
import { openWorld, unique, type World, worldForFile } from '../support/world.ts';
import {
  beginSse,
  codeOf,
  metric,
  openBareSocket,
  openSocket,
  post,
  receive,
  type Socket,
  send,
  until,
} from './support/doors.ts';

// Waits for ever: nothing of this type is recorded.
const WATCH = 'subscription { eventRecorded(filter: { type: { eq: "delete" } }) { id } }';
const VIEWER = '{ viewer { subject } }';
const OF_ADDRESS = 3;
const OF_PRINCIPAL = 2;
const LIMITS = {
  EVENTREE_MAX_ADDRESS_CONNECTIONS: String(OF_ADDRESS),
  EVENTREE_MAX_PRINCIPAL_CONNECTIONS: String(OF_PRINCIPAL),
};

/** Behind a proxy, which this test is: addresses are what it says. */
const world = worldForFile({
  environment: { ...LIMITS, EVENTREE_TRUSTED_PROXIES: '127.0.0.1, 10.0.0.0/8, 2001:db8:ffff::/48' },
});
const server = (of: World = world()) => of.servers[0] as RunningServer;
const from = (...hops: string[]) => ({ 'x-forwarded-for': hops.join(', ') });

let addresses = 0;
/** One that no other test comes from. */
function newAddress(): string {
  addresses++;
  return `192.0.2.${addresses}`;
}

/** A stream that is open. */
async function openStream(headers: Record<string, string>, at = server()) {
  const response = await beginSse(at, { query: WATCH }, headers);
  expect(response.statusCode).toBe(200);
  return response;
}

async function fill(address: string, at = server()): Promise<Socket[]> {
  return Promise.all(Array.from({ length: OF_ADDRESS }, () => openBareSocket(at, from(address))));
}

/** Tries until the server has seen that somebody left. */
async function untilLetIn(headers: Record<string, string>, at = server()): Promise<Socket> {
  const attempt = () => openBareSocket(at, headers).catch(() => null);
  return (await until(attempt, (socket) => socket !== null)) as Socket;
}

async function expectFull(headers: Record<string, string>, at = server()): Promise<void> {
  await expect(openBareSocket(at, headers)).rejects.toThrow('429');
}

describe('the connections of an address', () => {
  test('are so many; one more is answered 429, and let in when another has gone', async () => {
    const address = newAddress();
    const [first] = await fill(address);
    const refused = await send(server(), {
      method: 'GET',
      headers: {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
        ...from(address),
      },
    });
    expect(refused.status).toBe(429);
    expect(refused.headers['retry-after']).toBe('5');
    await openBareSocket(server(), from(newAddress()));
    first?.ws.close();
    await untilLetIn(from(address));
    await expectFull(from(address));
  });

  test('are WebSockets and SSE streams together', async () => {
    const address = newAddress();
    await openBareSocket(server(), from(address));
    await openStream(from(address));
    const last = await openStream(from(address));
    await expectFull(from(address));
    const refused = await receive(await beginSse(server(), { query: WATCH }, from(address)));
    expect(refused.status).toBe(429);
    expect(refused.headers['retry-after']).toBe('5');
    expect(refused.answer().errors?.[0]?.extensions).toEqual({ code: 'RATE_LIMITED', retryAfterMs: 5_000 });
    last.destroy();
    await untilLetIn(from(address));
  });

  test('are not its requests, which come and go', async () => {
    const address = newAddress();
    await fill(address);
    expect((await post(server(), { query: VIEWER }, from(address))).status).toBe(200);
    const bySse = await receive(await beginSse(server(), { query: VIEWER }, from(address)));
    expect(bySse.text).toContain('group/anonymous');
  });

  test('are counted among the errors when they are refused', async () => {
    const address = newAddress();
    await fill(address);
    const before = await metric(server(), 'eventree_errors_total', 'RATE_LIMITED');
    await expectFull(from(address));
    expect(await metric(server(), 'eventree_errors_total', 'RATE_LIMITED')).toBe(before + 1);
  });

  test('leave nothing behind, however they end', { timeout: 60_000 }, async () => {
    const own = await openWorld({ environment: { ...LIMITS, EVENTREE_INIT_TIMEOUT_MS: '100' } });
    const at = server(own);
    const subject = unique('jane');
    const token = await own.token({ subject });
    const authorization = `Bearer ${token}`;
    for (const end of [
      async () => (await openSocket(at, { token })).ws.close(),
      async () => (await openSocket(at, { token })).ws.terminate(),
      async () => (await openBareSocket(at)).closed,
      async () => {
        const socket = await openBareSocket(at);
        socket.send({ type: 'connection_init', payload: { authorization: 'Bearer a.b.c' } });
        await socket.closed;
      },
      async () => {
        const socket = await openBareSocket(at);
        socket.send({ type: 'connection_init', payload: { authorization } });
        socket.ws.terminate();
      },
      async () => void (await openStream({ authorization }, at)).destroy(),
      async () => receive(await beginSse(at, { query: 'subscription { nothing }' }, { authorization })),
      async () =>
        receive(
          await beginSse(at, { query: WATCH.replace('{ type', '{ nothing: 1, type') }, { authorization }),
        ),
      // A handshake that `ws` itself refuses.
      async () => {
        const headers = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '1' };
        expect((await send(at, { method: 'GET', headers })).status).toBe(400);
      },
    ]) {
      for (let times = 0; times <= OF_ADDRESS; times++) {
        await until(
          () =>
            end().then(
              () => true,
              () => false,
            ),
          (ended) => ended,
        );
      }
    }
    // All places are free again, of the address and of the principal.
    await until(
      async () => {
        const sockets = await Promise.allSettled(
          Array.from({ length: OF_PRINCIPAL }, () => openSocket(at, { token })),
        );
        const isFree = sockets.every(({ status }) => status === 'fulfilled');
        if (!isFree) for (const each of sockets) if (each.status === 'fulfilled') each.value.ws.close();
        return isFree;
      },
      (isFree) => isFree,
    );
    // One that has said who it is stays; another would be gone when its time to say so is over.
    await until(
      () =>
        own
          .token({ subject: unique('joe') })
          .then((other) => openSocket(at, { token: other }).catch(() => null)),
      (socket) => socket !== null,
    );
    await expectFull({}, at);
  });
});

describe('the connections of a principal', () => {
  test('are so many, wherever they come from; one more is sent away to come back', async () => {
    const token = await world().token({ subject: unique('jane') });
    const [first] = await Promise.all([
      openSocket(server(), { token, headers: from(newAddress()) }),
      openStream({ authorization: `Bearer ${token}`, ...from(newAddress()) }),
    ]);
    const refused = await openBareSocket(server(), from(newAddress()));
    refused.send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } });
    expect(await refused.closed).toEqual({
      code: 1013,
      reason: 'Too many connections are open from this address or with this `sub`: try again later.',
    });
    const stream = await beginSse(
      server(),
      { query: WATCH },
      { authorization: `Bearer ${token}`, ...from(newAddress()) },
    );
    expect(stream.statusCode).toBe(429);
    expect(codeOf((await receive(stream)).answer())).toBe('RATE_LIMITED');

    const other = await world().token({ subject: unique('joe') });
    await openSocket(server(), { token: other, headers: from(newAddress()) });
    first.ws.close();
    await until(
      () => openSocket(server(), { token, headers: from(newAddress()) }).catch(() => null),
      (socket) => socket !== null,
    );
  });

  test('are not those who have gone before their token was checked', async () => {
    const { publicKey, privateKey } = await generateKeyPair('ES256');
    const keys = JSON.stringify({ keys: [await exportJWK(publicKey)] });
    let tell = () => {};
    const told = new Promise<void>((resolve) => {
      tell = resolve;
    });
    let asked = 0;
    const provider = createServer(async (_, response) => {
      asked++;
      await told;
      response.writeHead(200, { 'content-type': 'application/json' }).end(keys);
    }).listen(0, '127.0.0.1');
    onTestFinished(() => void provider.close());
    await once(provider, 'listening');
    const { port } = provider.address() as AddressInfo;
    const own = await openWorld({
      environment: {
        EVENTREE_JWT_SECRET: '',
        EVENTREE_JWKS_URL: `http://127.0.0.1:${port}/keys`,
        EVENTREE_MAX_PRINCIPAL_CONNECTIONS: '1',
      },
    });
    const jwt = new SignJWT({ sub: 'jane' }).setProtectedHeader({ alg: 'ES256' }).setExpirationTime('1h');
    const token = await jwt.sign(privateKey);
    const socket = await openBareSocket(server(own));
    socket.send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } });
    await until(
      async () => asked,
      (times) => times > 0,
    );
    socket.ws.terminate();
    await until(
      () => metric(server(own), 'eventree_sockets'),
      (sockets) => sockets === 0,
    );
    tell();
    await openSocket(server(own), { token });
  });

  test('come back by themselves by graphql-ws as it is, when there is room', async () => {
    const token = await world().token({ subject: unique('jane') });
    const open = () => openSocket(server(), { token, headers: from(newAddress()) });
    const [first] = [await open(), await open()];
    let refusals = 0;
    const client = createClient({
      url: `${server().url.replace('http', 'ws')}/graphql`,
      webSocketImpl: class extends WebSocket {
        constructor(url: string, protocol: string) {
          super(url, protocol, { headers: from(newAddress()) });
        }
      },
      connectionParams: { authorization: `Bearer ${token}` },
      retryAttempts: 100,
      retryWait: async () => {
        refusals++;
        if (refusals === 2) first?.ws.close();
        await new Promise((resolve) => setTimeout(resolve, 20));
      },
    });
    const answers = client.iterate({ query: VIEWER });
    expect((await answers.next()).value?.data).toBeDefined();
    expect(refusals).toBeGreaterThanOrEqual(2);
    await client.dispose();
  });

  test('are not those of everybody who has no token', async () => {
    for (let i = 0; i <= OF_PRINCIPAL; i++) await openSocket(server(), { headers: from(newAddress()) });
  });
});

describe('the address', () => {
  test('is the peer’s where no proxy is trusted, whatever a client says', async () => {
    const own = await openWorld({ environment: LIMITS });
    for (let i = 0; i < OF_ADDRESS; i++) await openBareSocket(server(own), from(newAddress()));
    await expectFull(from(newAddress()), server(own));
    await expectFull({}, server(own));
  });

  test('is what the last trusted proxy says, not what a client put before it', async () => {
    const address = newAddress();
    for (let i = 0; i < OF_ADDRESS; i++) await openBareSocket(server(), from(newAddress(), address));
    await expectFull(from(newAddress(), address));
  });

  test('is looked for behind all proxies that are trusted', async () => {
    const address = newAddress();
    await openBareSocket(server(), from(address, '10.1.2.3'));
    await openBareSocket(server(), from(address, '10.9.9.9', '2001:db8:ffff:1::1', '10.1.2.3'));
    await openBareSocket(server(), from(address, '::ffff:10.1.2.3'));
    await expectFull(from(address));
    await openBareSocket(server(), from(address, '11.1.2.3'));
  });

  test.each(['unknown', '', '_hidden', '1.2.3.4:80'])(
    'is the proxy’s own where it says “%s”',
    async (said) => {
      const proxy = `10.7.0.${++addresses}`;
      for (let i = 0; i < OF_ADDRESS; i++) await openBareSocket(server(), from(newAddress(), said, proxy));
      await expectFull(from(newAddress(), said, proxy));
      await openBareSocket(server(), from(newAddress()));
    },
  );

  test('is, by IPv6, the network of a customer: the first 64 bits', async () => {
    await openBareSocket(server(), from('2001:db8:1:2::1'));
    await openBareSocket(server(), from('2001:0DB8:0001:2:ffff:1:2:3'));
    await openBareSocket(server(), from('2001:db8:1:2:0:0:0:9'));
    await expectFull(from('2001:db8:1:2:abcd::'));
    await openBareSocket(server(), from('2001:db8:1:3::1'));
    await openBareSocket(server(), from('2001:db8::1:2:3:4'));
  });

  test('is the same for IPv4 as IPv6 writes it', async () => {
    const address = newAddress();
    await fill(address);
    await expectFull(from(`::ffff:${address}`));
    await openBareSocket(server(), from(`::ffff:${newAddress()}`));
  });
});

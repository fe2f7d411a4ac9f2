import { EventEmitter, once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import express from 'express';
import fastify, { type FastifyRequest } from 'fastify';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  type RequestOptions,
  recordFastify,
  recordListener,
  recordRequests,
} from '../../src/recorder/http.ts';
import { createRecorder, type Recorder } from '../../src/recorder/index.ts';
import { freePort } from '../support/redis.ts';
import { unique, worldForFile } from '../support/world.ts';
import { eventsIn, outline } from './support/outline.ts';

const world = worldForFile();
const PATIENCE = { timeout: 20_000 };
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const TRACEPARENT = `00-${TRACE}-00f067aa0ba902b7-01`;

function openRecorder({ url = String(world().servers[0]?.url), strict = false } = {}) {
  const journal = unique('journal');
  const recorder = createRecorder({
    url,
    token: () => world().token({ subject: 'service', groups: ['admin'] }),
    journal,
    strict,
    markerTimeoutMs: 500,
    closeTimeoutMs: 500,
    onError: () => {},
  });
  onTestFinished(() => recorder.close());
  return { recorder, journal };
}

/** What a handler does: records behind what loses its way where the call is not kept through it. */
async function transfer(recorder: Recorder, body: unknown): Promise<string> {
  await new Promise((resolve) => setTimeout(resolve, 1));
  await recorder.record({ type: 'note', message: `transfer of ${(body as { amount?: number })?.amount}` });
  return String(recorder.current()?.call.actor);
}

/** Says of a handler that it has begun. */
const steps = new EventEmitter();

/** What a handler does whose client leaves meanwhile, of which it takes no notice. */
async function outlast(recorder: Recorder, response: ServerResponse): Promise<string> {
  const left = once(response, 'close');
  await recorder.record({ type: 'note', message: 'before' });
  steps.emit('begun');
  await left;
  await new Promise((resolve) => setTimeout(resolve, 20));
  await recorder.record({ type: 'note', message: 'behind' });
  return 'done';
}

type Options = RequestOptions<IncomingMessage>;
type Start = (recorder: Recorder, options?: Options) => Promise<string>;

async function listening(server: Server): Promise<string> {
  if (!server.listening) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  }
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Each answers `POST /api/transfers/:id` with its actor, and fails for `/api/broken`. */
const SERVICES: Readonly<Record<string, Start>> = {
  async Express(recorder, options) {
    const app = express();
    app.use(recordRequests(recorder, options));
    app.use(express.json());
    const api = express.Router();
    api.all('/transfers/:id', async (request, response) => {
      response.send(await transfer(recorder, request.body));
    });
    api.post('/broken', async () => {
      await recorder.record({ type: 'note', message: 'before it broke' });
      throw new TypeError('broken');
    });
    api.post('/slow', (_, response) => void response.flushHeaders());
    api.post('/long', async (_, response) => void response.send(await outlast(recorder, response)));
    app.use('/api', api);
    app.use(((_error, _request, response, _next) => {
      response.status(500).send('broken');
    }) as express.ErrorRequestHandler);
    return listening(createServer(app));
  },
  async Fastify(recorder, { ...options } = {}) {
    const app = fastify();
    const ofFastify = Object.fromEntries(
      Object.entries(options).map(([name, value]) => [
        name,
        typeof value === 'function'
          ? (request: { raw: IncomingMessage }) => value(request.raw as never)
          : value,
      ]),
    );
    await app.register(recordFastify(recorder, ofFastify));
    await app.register(
      async (api) => {
        api.all('/transfers/:id', (request) => transfer(recorder, request.body));
        api.post('/broken', async () => {
          await recorder.record({ type: 'note', message: 'before it broke' });
          throw new TypeError('broken');
        });
        api.post('/slow', (_, reply) => void reply.hijack().raw.flushHeaders());
        api.post('/long', (_, reply) => outlast(recorder, reply.raw));
        api.post('/long-refused', async (_, reply) => {
          await outlast(recorder, reply.raw);
          throw Object.assign(new Error('no such account'), { statusCode: 404 });
        });
        api.post('/long-broken', async (_, reply) => {
          await outlast(recorder, reply.raw);
          throw Object.assign(new TypeError('broken'), { expected: true });
        });
      },
      { prefix: '/api' },
    );
    await app.listen({ port: 0, host: '127.0.0.1' });
    return listening(app.server);
  },
  async 'plain HTTP'(recorder, options) {
    const answer = async (request: IncomingMessage, response: ServerResponse) => {
      if (request.url?.startsWith('/api/slow')) return response.flushHeaders();
      if (request.url?.startsWith('/api/long-broken')) {
        await outlast(recorder, response);
        throw new TypeError('broken');
      }
      if (request.url?.startsWith('/api/long')) return response.end(await outlast(recorder, response));
      if (request.url?.startsWith('/api/broken')) {
        await recorder.record({ type: 'note', message: 'before it broke' });
        return response.writeHead(500).end('broken');
      }
      if (!request.url?.startsWith('/api/transfers')) return response.writeHead(404).end();
      let body = '';
      for await (const part of request) body += part;
      return response.end(await transfer(recorder, body === '' ? undefined : JSON.parse(body)));
    };
    return listening(createServer(recordListener(recorder, answer, options)));
  },
};

describe.each(Object.entries(SERVICES))('a request to %s', (service, start) => {
  const route = (path: string) => (service === 'plain HTTP' ? path.replace('/:id', '/7') : path);
  const post = (url: string, body: object = { amount: 5 }, headers: Record<string, string> = {}) =>
    fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });

  async function started(options?: Options, how: Parameters<typeof openRecorder>[0] = {}) {
    const { recorder, journal } = openRecorder(how);
    const url = await start(recorder, options);
    return {
      url,
      /** Once the call has ended, which it does after the response. */
      async written(lines: readonly string[]) {
        await expect
          .poll(async () => {
            await recorder.flush();
            return outline(world(), journal);
          }, PATIENCE)
          .toEqual(lines);
        return eventsIn(world(), journal);
      },
    };
  }

  test('is a call, within which it is handled', async () => {
    const { url, written } = await started({
      actor: ({ headers }) => `user/${headers['x-user']}`,
      activeClaim: () => 'group/staff',
      session: async ({ headers }) => headers['x-session'] as string,
      params: ({ headers }) => ({ user: headers['x-user'], token: 'abc' }),
    });
    const headers = { 'x-user': 'jane', 'x-session': 's-1', traceparent: TRACEPARENT };
    const response = await post(`${url}/api/transfers/7?pin=27182818`, { amount: 5 }, headers);
    expect(await response.text()).toBe('user/jane');
    const [call, note] = await written(['call', '  note']);
    expect(call).toMatchObject({
      actor: 'user/jane',
      activeClaim: 'group/staff',
      sessionId: 's-1',
      correlationId: TRACE,
      attributes: {
        function: `POST ${route('/api/transfers/:id')}`,
        params: { user: 'jane', token: '[redacted]' },
        elapsed_ms: expect.any(Number),
      },
      payload: {
        method: 'POST',
        path: '/api/transfers/7',
        address: '127.0.0.1',
        status: 200,
        traceparent: TRACEPARENT,
      },
    });
    expect(JSON.stringify(call)).not.toContain('27182818');
    expect(note).toMatchObject({ message: 'transfer of 5', actor: 'user/jane' });
  });

  test('stays apart from those that run beside it', async () => {
    const { url, written } = await started();
    await Promise.all([1, 2, 3, 4].map((amount) => post(`${url}/api/transfers/${amount}`, { amount })));
    await written(['call', '  note', 'call', '  note', 'call', '  note', 'call', '  note']);
  });

  test('that only reads is not recorded, unless it is asked for', async () => {
    const { url, written } = await started();
    await fetch(`${url}/api/transfers/7`);
    await fetch(`${url}/api/transfers/7`, { method: 'HEAD' });
    await fetch(`${url}/api/transfers/7`, { method: 'OPTIONS' });
    await written(['note', 'note', 'note']);

    const all = await started({ filter: ({ method }) => method === 'GET', name: () => 'reading' });
    await fetch(`${all.url}/api/transfers/7`);
    await all.written(['call', '  note']);
    await post(`${all.url}/api/transfers/7`);
    const events = await all.written(['call', '  note', 'note']);
    expect(events.find(({ type }) => type.name === 'call')?.attributes?.function).toBe('reading');
  });

  test('that fails says so, without what was to be kept on success', async () => {
    const { url, written } = await started({ correlationId: () => 'order-7' });
    expect((await post(`${url}/api/broken`)).status).toBe(500);
    const [call] = await written(['call']);
    expect(call).toMatchObject({ correlationId: 'order-7', payload: { status: 500 } });
    expect(call?.attributes).toMatchObject(
      service === 'Fastify'
        ? { error: 'TypeError', error_value: 'broken' }
        : { error: 'Http500', error_value: 'POST was answered with 500.' },
    );
  });

  test('that is refused has not failed', async () => {
    const { url, written } = await started();
    expect((await post(`${url}/nowhere/1`)).status).toBe(404);
    const [call] = await written(['call']);
    expect(call).toMatchObject({ attributes: { function: 'POST /nowhere/1' }, payload: { status: 404 } });
    expect(call?.attributes).not.toHaveProperty('error');
  });

  test('whose client leaves says so', async () => {
    const { url, written } = await started();
    const leaving = request(`${url}/api/slow`, { method: 'POST' });
    leaving.on('error', () => {});
    leaving.end();
    await once(leaving, 'response');
    leaving.destroy();
    const [call] = await written(['call']);
    expect(call).toMatchObject({
      attributes: { function: 'POST /api/slow', error: 'RequestAborted' },
      payload: { status: 200 },
    });
  });

  async function left(url: string): Promise<void> {
    const begun = once(steps, 'begun');
    const leaving = request(url, { method: 'POST' }).on('error', () => {});
    leaving.end();
    await begun;
    leaving.destroy();
  }

  test('keeps what was done, though its client has left', async () => {
    const { url, written } = await started();
    await left(`${url}/api/long`);
    // When a handler of Express is done, nobody tells.
    const lines = service === 'Express' ? ['call', '  note', 'note'] : ['call', '  note', '  note'];
    const events = await written(lines);
    expect(events.find(({ type }) => type.name === 'call')).toMatchObject({
      attributes: {
        function: 'POST /api/long',
        error: 'RequestAborted',
        error_value: 'The client left before it had the response.',
      },
    });
  });

  if (service !== 'Express')
    test('that fails behind its client’s back has failed', async () => {
      const unhandled = thrownAtNode();
      const { url, written } = await started();
      await left(`${url}/api/long-broken`);
      const [call] = await written(['call']);
      expect(call?.attributes).toMatchObject({ error: 'TypeError' });
      expect(unhandled).toHaveLength(service === 'Fastify' ? 0 : 1);
    });

  if (service === 'Fastify')
    test('that is refused behind its client’s back has not failed', async () => {
      const { url, written } = await started();
      await left(`${url}/api/long-refused`);
      const [call] = await written(['call', '  note', '  note']);
      expect(call?.attributes).toMatchObject({ error: 'RequestAborted' });
    });

  test('takes no trace from what is none', async () => {
    const { url, written } = await started();
    await post(`${url}/api/transfers/7`, {}, { traceparent: `00-${'0'.repeat(32)}-00f067aa0ba902b7-01` });
    const [call] = await written(['call', '  note']);
    expect(call?.correlationId).toBeNull();
    expect(call?.payload).not.toHaveProperty('traceparent');
  });

  test('whose actor cannot be found out is not handled', async () => {
    const { url, written } = await started({ actor: () => Promise.reject(new Error('no directory')) });
    expect((await post(`${url}/api/transfers/7`)).status).toBeGreaterThanOrEqual(500);
    await written([]);
  });

  test('that cannot be marked is handled all the same, or refused by a strict recorder', {
    timeout: 60_000,
  }, async () => {
    const away = `http://127.0.0.1:${await freePort()}`;
    const lenient = await started({ actor: () => 'user/jane' }, { url: away });
    expect(await (await post(`${lenient.url}/api/transfers/7`)).text()).toBe('user/jane');
    const strict = await started({}, { url: away, strict: true });
    expect((await post(`${strict.url}/api/transfers/7`)).status).toBeGreaterThanOrEqual(500);
  });
});

async function* endless() {
  for (;;) {
    yield 'x';
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** What Node.js would end the process by. */
function thrownAtNode(): unknown[] {
  const thrown: unknown[] = [];
  const listen = (error: unknown) => void thrown.push(error);
  for (const event of ['unhandledRejection', 'uncaughtException'] as const) {
    const others = process.rawListeners(event) as ((error: unknown) => void)[];
    process.removeAllListeners(event).on(event, listen);
    onTestFinished(() => {
      process.removeAllListeners(event);
      for (const other of others) process.on(event, other);
    });
  }
  return thrown;
}

test('options look at the request as the framework has it', async () => {
  const { recorder, journal } = openRecorder();
  const app = express();
  app.set('trust proxy', true);
  app.use(recordRequests<express.Request>(recorder, { actor: (request) => request.get('x-user') }));
  app.post('/a', (_, response) => void response.end());
  const other = fastify();
  await other.register(
    recordFastify<FastifyRequest>(recorder, {
      actor: ({ headers }) => headers['x-user'] as string,
      address: ({ headers }) => headers['x-forwarded-for'] as string,
    }),
  );
  other.post('/b', (_, reply) => reply.send());
  await other.listen({ port: 0, host: '127.0.0.1' });
  const headers = { 'x-user': 'user/jane', 'x-forwarded-for': '10.0.0.7' };
  await fetch(`${await listening(createServer(app))}/a`, { method: 'POST', headers });
  await fetch(`${await listening(other.server)}/b`, { method: 'POST', headers });
  await expect
    .poll(async () => {
      await recorder.flush();
      return (await eventsIn(world(), journal)).map(({ actor, payload }) => [actor, payload]);
    }, PATIENCE)
    .toEqual([
      ['user/jane', expect.objectContaining({ address: '10.0.0.7' })],
      ['user/jane', expect.objectContaining({ address: '10.0.0.7' })],
    ]);
});

describe('a plain listener', () => {
  test('that throws is Node’s to judge, and its call has failed', async () => {
    const { recorder, journal } = openRecorder();
    const thrown = new TypeError('no more');
    const url = await listening(
      createServer(
        recordListener(recorder, (request, response) => {
          if (request.url === '/sync') throw thrown;
          return Promise.reject(thrown).finally(() => response.destroy());
        }),
      ),
    );
    const unhandled = thrownAtNode();
    await fetch(`${url}/async`, { method: 'POST' }).catch(() => {});
    const leaving = request(`${url}/sync`, { method: 'POST' }).on('error', () => {});
    leaving.end();
    await expect.poll(() => unhandled, PATIENCE).toEqual([thrown, thrown]);
    leaving.destroy();
    // One that is not recorded is as it would be without.
    const reading = request(`${url}/sync`).on('error', () => {});
    reading.end();
    await expect.poll(() => unhandled, PATIENCE).toEqual([thrown, thrown, thrown]);
    reading.destroy();
    await expect
      .poll(async () => {
        await recorder.flush();
        return (await eventsIn(world(), journal)).map(({ attributes }) => attributes?.error);
      }, PATIENCE)
      .toEqual(['TypeError', 'TypeError']);
  });

  test('that throws is answered with 500 where Node.js catches it, as without', async () => {
    const unhandled = thrownAtNode();
    const { recorder, journal } = openRecorder();
    EventEmitter.captureRejections = true;
    const server = createServer(
      recordListener(recorder, async () => {
        throw new TypeError('no more');
      }),
    );
    EventEmitter.captureRejections = false;
    const url = await listening(server);
    for (const method of ['POST', 'GET']) {
      const signal = AbortSignal.timeout(10_000);
      expect((await fetch(url, { method, signal })).status).toBe(500);
    }
    await recorder.flush();
    expect((await eventsIn(world(), journal)).map(({ attributes }) => attributes?.error)).toEqual([
      'TypeError',
    ]);
    expect(unhandled).toEqual([]);
  });

  test('keeps what was done where it fails only to tell a client who has left', async () => {
    const unhandled = thrownAtNode();
    const { recorder, journal } = openRecorder();
    const url = await listening(
      createServer(
        recordListener(recorder, async (_, response) => {
          await recorder.record({ type: 'note', message: 'done' });
          await pipeline(Readable.from(endless()), response);
        }),
      ),
    );
    const leaving = request(url, { method: 'POST' }).on('error', () => {});
    leaving.end();
    const [response] = await once(leaving, 'response');
    response.on('error', () => {});
    leaving.destroy();
    await expect.poll(() => unhandled, PATIENCE).toMatchObject([{ code: 'ERR_STREAM_PREMATURE_CLOSE' }]);
    await recorder.flush();
    expect(await outline(world(), journal)).toEqual(['call', '  note']);
    const [call] = await eventsIn(world(), journal);
    expect(call).toMatchObject({ attributes: { error: 'RequestAborted' }, payload: { status: 200 } });
  });

  test('ends with what it still does when it has answered', async () => {
    const { recorder, journal } = openRecorder();
    const url = await listening(
      createServer(
        recordListener(recorder, async (_, response) => {
          const answered = once(response, 'close');
          response.end('ok');
          await answered;
          await recorder.record({ type: 'note', message: 'behind' });
        }),
      ),
    );
    await fetch(url, { method: 'POST' });
    await expect
      .poll(async () => {
        await recorder.flush();
        return outline(world(), journal);
      }, PATIENCE)
      .toEqual(['call', '  note']);
  });

  test('is part of what the call around it is part of', async () => {
    const { recorder, journal } = openRecorder();
    const inner = recordListener(recorder, (_, response) => response.end('ok'), { name: () => 'inner' });
    const named = recordListener(recorder, inner, { name: () => 'order', correlationId: () => 'order-7' });
    const traced = recordListener(recorder, inner, { name: () => 'trace' });
    const bare = recordListener(recorder, inner, { name: () => 'bare' });
    for (const listener of [named, traced, bare]) {
      const headers: Record<string, string> = listener === bare ? {} : { traceparent: TRACEPARENT };
      const url = await listening(createServer(listener));
      await fetch(url, { method: 'POST', headers });
      if (listener === named) await fetch(url, { method: 'POST' });
    }
    const ids = ['order-7', 'order-7', 'order-7', 'order-7', TRACE, TRACE, null, null];
    await expect
      .poll(async () => {
        await recorder.flush();
        return (await eventsIn(world(), journal)).map(({ correlationId }) => correlationId);
      }, PATIENCE)
      .toEqual(ids);
  });

  test('is not called where nobody can say whether the request is to be recorded', async () => {
    const { recorder } = openRecorder();
    const filter = () => {
      throw new Error('no idea');
    };
    const url = await listening(
      createServer(recordListener(recorder, (_, response) => response.end('ok'), { filter })),
    );
    expect((await fetch(url)).status).toBe(503);
  });

  test('goes on with requests on a connection that is kept', async () => {
    const { recorder, journal } = openRecorder();
    const url = await listening(createServer(recordListener(recorder, (_, response) => response.end('ok'))));
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    const one = 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n';
    let text = '';
    socket.on('data', (data) => {
      text += data;
    });
    // Both at once: the second is read before the first is answered.
    socket.write(one + one);
    await expect.poll(() => text.match(/HTTP\/1.1 200/g)?.length, PATIENCE).toBe(2);
    await expect
      .poll(async () => {
        await recorder.flush();
        return outline(world(), journal);
      }, PATIENCE)
      .toEqual(['call', 'call']);
  });
});

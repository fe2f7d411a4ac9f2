/**
 * Looks into a server's process, by the debugging protocol of Node.js: what memory it holds when garbage has
 * been collected, and what a client that has left could have left behind.
 */
import { once } from 'node:events';
import { onTestFinished, vi } from 'vitest';
import WebSocket from 'ws';
import type { ServerProcess } from '../../support/server-process.ts';

/** For the environment of a server that is to be looked into. */
export const INSPECTED = { NODE_OPTIONS: '--inspect=127.0.0.1:0' } as const;

export interface Leftovers {
  /** Async generators that somebody still holds. */
  readonly iterators: number;
  /** Of all event emitters and event targets that somebody still holds. */
  readonly listeners: number;
  readonly timers: number;
  readonly sockets: number;
  /** Open files and sockets of the process. */
  readonly descriptors: number;
}

export interface Inspector {
  /** What it holds in and outside its heap. */
  heldBytes(): Promise<number>;
  leftovers(): Promise<Leftovers>;
}

interface Reply {
  readonly id: number;
  readonly result: {
    readonly result: { readonly objectId: string; readonly value: never };
    readonly objects: { readonly objectId: string };
  };
  readonly error?: { readonly message: string };
}

const GROUP = 'looked at';

/** Runs in the server: the listeners of each of a list of emitters or targets. */
function countListeners(this: object[]): number {
  return this.reduce((sum, each) => {
    if ('eventNames' in each) {
      const emitter = each as NodeJS.EventEmitter;
      // A prototype is an instance of what it inherits from, and has nothing of its own.
      const names = Object.hasOwn(each, '_events') ? emitter.eventNames() : [];
      return sum + names.reduce((own, name) => own + emitter.listenerCount(name), 0);
    }
    const symbol = Object.getOwnPropertySymbols(each).find(({ description }) => description === 'kEvents');
    const events = symbol && (each as Record<symbol, Map<string, { size: number }>>)[symbol];
    return sum + [...(events?.values() ?? [])].reduce((own, { size }) => own + size, 0);
  }, 0);
}

/** @param server started with `INSPECTED`. */
export async function inspect(server: ServerProcess): Promise<Inspector> {
  const address = await vi.waitUntil(() => /ws:\/\/127\.0\.0\.1:\d+\/\S+/.exec(server.said())?.[0], {
    timeout: 10_000,
  });
  const socket = new WebSocket(address, { maxPayload: 0 });
  onTestFinished(() => socket.terminate());
  await once(socket, 'open');
  const waiting = new Map<number, (reply: Reply) => void>();
  let asked = 0;
  socket.on('message', (text) => {
    const reply = JSON.parse(String(text)) as Reply;
    waiting.get(reply.id)?.(reply);
    waiting.delete(reply.id);
  });

  async function call(method: string, params: object = {}): Promise<Reply['result']> {
    const id = ++asked;
    const replied = new Promise<Reply>((resolve) => waiting.set(id, resolve));
    socket.send(JSON.stringify({ id, method, params }));
    const { result, error } = await replied;
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result;
  }

  async function evaluate<T>(expression: string): Promise<T> {
    return (await call('Runtime.evaluate', { expression, returnByValue: true })).result.value;
  }

  /** Calls a function of no arguments with all that inherits from a prototype and is not garbage. */
  async function ofAll(prototype: string, what: (this: object[]) => number): Promise<number> {
    const evaluated = await call('Runtime.evaluate', { expression: prototype, objectGroup: GROUP });
    const prototypeObjectId = evaluated.result.objectId;
    const { objects } = await call('Runtime.queryObjects', { prototypeObjectId, objectGroup: GROUP });
    const { result } = await call('Runtime.callFunctionOn', {
      objectId: objects.objectId,
      functionDeclaration: String(what),
      returnByValue: true,
    });
    await call('Runtime.releaseObjectGroup', { objectGroup: GROUP });
    return result.value;
  }

  return {
    async heldBytes() {
      // What a finaliser lets go of is gone only after the next one.
      for (let times = 0; times < 2; times++) await call('HeapProfiler.collectGarbage');
      return await evaluate('(({ heapUsed, external }) => heapUsed + external)(process.memoryUsage())');
    },
    async leftovers() {
      const events = "process.getBuiltinModule('node:events')";
      const active = (kind: string) =>
        evaluate<number>(`process.getActiveResourcesInfo().filter((kind) => ${kind}.test(kind)).length`);
      return {
        iterators: await ofAll('Object.getPrototypeOf((async function* () {}).prototype)', countAll),
        listeners:
          (await ofAll(`${events}.EventEmitter.prototype`, countListeners)) +
          (await ofAll('EventTarget.prototype', countListeners)),
        timers: await active('/^Timeout|^Immediate/'),
        sockets: await active('/^TCP/'),
        descriptors: await evaluate(
          "process.getBuiltinModule('node:fs').readdirSync('/proc/self/fd').length",
        ),
      };
    },
  };
}

function countAll(this: object[]): number {
  return this.length;
}

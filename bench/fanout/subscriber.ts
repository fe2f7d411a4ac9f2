/**
 * One subscriber of the load: a WebSocket on a plain TCP socket that speaks graphql-transport-ws, says what
 * it wants, and reads the number of every event that is delivered to it.
 *
 *     connecting ──101──▶ open ──connection_ack──▶ subscribed ──fence──▶ counting
 *
 * Until the fence, messages are parsed. After it, a frame is known by its length and its mark alone; whatever
 * does not look like an event is parsed and, but for a ping, is the end of the run.
 */
import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { CLOSE, createFrameReader, encodeFrame, PING, PONG, TEXT } from './frames.ts';
import { MARK_CHARS } from './traffic.ts';

export interface Subscriber {
  /** A probe has come: the subscription is in force. */
  readonly isSubscribed: () => boolean;
  /** The fence has come: what follows is counted. */
  readonly isCounting: () => boolean;
  close(): void;
}

export interface SubscriberOptions {
  readonly port: number;
  readonly token: string;
  readonly query: string;
  readonly variables: object;
  /** A delivery, by the number of its event; and the length of its frame. */
  readonly deliver: (number: number, frameBytes: number) => void;
  /** Whatever ends the run. */
  readonly fail: (problem: string) => void;
}

export const PROBE = 'probe----';
export const FENCE = 'fence----';

/** Shared by all sockets: what is read is taken in before the next read. */
const received = Buffer.alloc(256 * 1_024);
/** By which the frames of one case differ: numbers of one to three digits. */
const LENGTH_TOLERANCE_BYTES = 40;
const ZERO = 48;

/** Resolves when the server has acknowledged the connection and been sent the subscription. */
export function openSubscriber(options: SubscriberOptions): Promise<Subscriber> {
  const { port, token, query, variables, deliver, fail } = options;
  const operation = randomUUID();
  let state: 'connecting' | 'open' | 'subscribed' | 'counting' = 'connecting';
  let head = '';
  let probed = false;
  /** Of the fence, which is about as long as any event. */
  let fenceBytes = 0;
  /** From a mark to the end of its frame. */
  let markToEnd = 0;
  let closing = false;

  return new Promise((resolve) => {
    const read = createFrameReader(take);
    const socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: received,
        callback(length) {
          try {
            if (state === 'connecting') upgrade(length);
            else read(received, length);
          } catch (error) {
            fail(String(error));
          }
          return true;
        },
      },
    });
    socket.on('error', (error) => fail(error.message));
    socket.on('close', () => {
      if (!closing) fail('The server closed a socket.');
    });
    socket.write(
      `GET /graphql HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n` +
        `sec-websocket-version: 13\r\nsec-websocket-key: ${Buffer.from(operation.slice(0, 16)).toString('base64')}\r\n` +
        'sec-websocket-protocol: graphql-transport-ws\r\n\r\n',
    );

    const send = (message: object) => socket.write(encodeFrame(TEXT, JSON.stringify(message)));

    /** The server says nothing of its own accord before it has been spoken to: a head, and no frame after it. */
    function upgrade(length: number): void {
      head += received.toString('latin1', 0, length);
      if (!head.endsWith('\r\n\r\n')) return;
      if (!head.startsWith('HTTP/1.1 101 ')) throw new Error(`No WebSocket: ${head.split('\r\n', 1)}`);
      state = 'open';
      send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } });
    }

    function take(opcode: number, buffer: Buffer, start: number, end: number): void {
      if (opcode === TEXT) {
        const looksLikeEvent = Math.abs(end - start - fenceBytes) <= LENGTH_TOLERANCE_BYTES;
        if (state === 'counting' && looksLikeEvent) deliver(readNumber(buffer, end - markToEnd), end - start);
        else hear(buffer.toString('utf8', start, end));
      } else if (opcode === PING) {
        socket.write(encodeFrame(PONG, Buffer.from(buffer.subarray(start, end))));
      } else if (opcode === CLOSE) {
        const code = end - start >= 2 ? buffer.readUInt16BE(start) : 'no code';
        fail(`The server closes a socket: ${code} ${buffer.toString('utf8', start + 2, end)}`);
      } else if (opcode !== PONG) {
        fail(`A frame of kind ${opcode}.`);
      }
    }

    function hear(text: string): void {
      const message = JSON.parse(text) as { type: string; id?: string; payload?: { errors?: unknown } };
      if (message.type === 'ping') {
        send({ type: 'pong' });
      } else if (message.type === 'connection_ack' && state === 'open') {
        state = 'subscribed';
        send({ id: operation, type: 'subscribe', payload: { query, variables } });
        resolve(subscriber);
      } else if (message.type === 'next' && message.payload?.errors === undefined && state === 'subscribed') {
        probed = true;
        if (text.includes(FENCE)) fence(text);
      } else {
        fail(`The server said: ${text.slice(0, 500)}`);
      }
    }

    function fence(text: string): void {
      fenceBytes = Buffer.byteLength(text);
      markToEnd = fenceBytes - text.indexOf(FENCE);
      state = 'counting';
    }

    const subscriber: Subscriber = {
      isSubscribed: () => probed,
      isCounting: () => state === 'counting',
      close() {
        closing = true;
        socket.destroy();
      },
    };
  });
}

/** NaN where there is none. */
function readNumber(buffer: Buffer, from: number): number {
  let number = 0;
  for (let at = from; at < from + MARK_CHARS; at++) {
    const digit = (buffer[at] as number) - ZERO;
    number = digit >= 0 && digit <= 9 ? number * 10 + digit : Number.NaN;
  }
  return number;
}

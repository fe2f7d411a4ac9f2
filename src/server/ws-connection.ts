/**
 * One WebSocket: what the protocol's library, the outbox and the keep-alive of the server each need of it, in
 * one object, because there are thousands of them.
 */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import type { WebSocket as ProtocolSocket } from 'graphql-ws';
import type { WebSocket } from 'ws';
import type { Principal } from '../access/principal.ts';
import type { Watched } from './keep-alive.ts';
import { Outbox, type Sink } from './outbox.ts';

export interface WsEvents {
  readonly onWritten: (messages: number) => void;
  /** What a message led to that no answer can be given for. */
  readonly onFailure: (error: unknown, connection: WsConnection) => void;
}

/** Waiting to be sent, below which a stream's next message is fetched already. */
const MAX_WAITING_BYTES = 65_536;
/** Room for a reason in a close frame. */
const MAX_REASON_BYTES = 123;
/** For a close frame to be read by one that takes up reading again. */
const STALLED_FAREWELL_MS = 5_000;
/** Clients come back after it: the server is unwell for a moment, or has waited too long for them. */
export const TRY_AGAIN_LATER = 1013;

export class WsConnection implements ProtocolSocket, Watched, Sink {
  /** By which the log knows it. */
  readonly id = randomBytes(9).toString('base64url');
  readonly socket: WebSocket;
  readonly stream: Socket;
  readonly outbox: Outbox;
  principal: Principal | null = null;
  /** Set until the client has said who it is. */
  initTimeout: NodeJS.Timeout | undefined;
  private readonly events: WsEvents;
  private answered = true;

  constructor(socket: WebSocket, stream: Socket, events: WsEvents) {
    this.socket = socket;
    this.stream = stream;
    this.events = events;
    this.outbox = new Outbox(this);
    socket.on('pong', () => {
      this.answered = true;
    });
  }

  get protocol(): string {
    return this.socket.protocol;
  }

  get connection(): Socket {
    return this.stream;
  }

  isOpen(): boolean {
    return this.socket.readyState === this.socket.OPEN;
  }

  onWritten(messages: number): void {
    this.events.onWritten(messages);
  }

  onMessage(take: (data: string) => Promise<void>): void {
    this.socket.on('message', (data) => {
      // The answer to a ping, of one that sends faster than it may, stands at the end of a queue.
      this.answered = true;
      take(String(data)).catch((error: unknown) => this.events.onFailure(error, this));
    });
  }

  /**
   * Resolves when there is room for more: at once while little waits to be sent, else when this has been.
   * What is sent in one turn, as an answer and its `complete`, goes to the network together.
   */
  send(data: string): Promise<void> | undefined {
    const { socket, stream } = this;
    this.outbox.flush();
    if (!this.isOpen()) return undefined;
    if (stream.writableCorked === 0) {
      stream.cork();
      process.nextTick(() => stream.uncork());
    }
    return new Promise((resolve) => {
      socket.send(data, () => resolve());
      if (socket.bufferedAmount <= MAX_WAITING_BYTES) resolve();
    });
  }

  /** A reason may name an operation by the client's own id, which may be longer than what a close frame holds. */
  close(code?: number, reason = ''): void {
    let text = reason.slice(0, MAX_REASON_BYTES);
    while (Buffer.byteLength(text) > MAX_REASON_BYTES) text = text.slice(0, -1);
    this.socket.close(code, text);
  }

  ping(): void {
    if (this.answered) this.socket.ping();
    else this.socket.terminate();
    this.answered = false;
  }

  onStalled(): void {
    this.close(TRY_AGAIN_LATER, 'Nothing was read for too long: connect again.');
    setTimeout(() => this.socket.terminate(), STALLED_FAREWELL_MS);
  }
}

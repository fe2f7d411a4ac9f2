/**
 * What is read from a WebSocket, and when. A client that sends faster than it may is not read from until its
 * turn comes, nor is one that leaves its own answers unread. The network carries the pressure back to it:
 * nothing is lost and nothing is kept here, and who records at full speed gets no errors but a pace.
 *
 * The pace is a token bucket of one second's worth: a token comes every 1/n s, a message takes one. What has
 * been read already when the last one is taken is answered, and waited for the longer.
 */
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';

/** Nothing more is read from a client while it leaves so much unread itself. */
const MAX_UNREAD_BYTES = 1_048_576;

/**
 * Counts pings and pongs of the WebSocket protocol as well: they cost as much to read.
 *
 * @returns what is to be stopped when the socket has closed.
 */
export function limitIntake(socket: WebSocket, stream: Duplex, messagesPerSecond: number): Intake {
  const intake = new Intake(socket, messagesPerSecond);
  const count = () => intake.count();
  socket.on('message', count).on('ping', count).on('pong', count);
  stream.on('drain', () => intake.decide());
  return intake;
}

/** A class, because there are thousands of them: its functions stand once. */
export class Intake {
  private readonly socket: WebSocket;
  private readonly perSecond: number;
  private tokens: number;
  private countedAt = performance.now();
  private turn: NodeJS.Timeout | undefined;

  constructor(socket: WebSocket, perSecond: number) {
    this.socket = socket;
    this.perSecond = perSecond;
    this.tokens = perSecond;
  }

  count(): void {
    this.refill();
    this.tokens -= 1;
    this.decide();
  }

  /** Whether to read on. */
  decide(): void {
    const { socket, tokens, perSecond } = this;
    if (tokens < 0) this.turn ??= setTimeout(() => this.takeTurn(), (-tokens / perSecond) * 1_000);
    if (this.turn !== undefined || socket.bufferedAmount > MAX_UNREAD_BYTES) socket.pause();
    else if (socket.isPaused) socket.resume();
  }

  stop(): void {
    clearTimeout(this.turn);
  }

  private takeTurn(): void {
    this.turn = undefined;
    this.refill();
    this.decide();
  }

  private refill(): void {
    const now = performance.now();
    const earned = ((now - this.countedAt) / 1_000) * this.perSecond;
    this.tokens = Math.min(this.perSecond, this.tokens + earned);
    this.countedAt = now;
  }
}

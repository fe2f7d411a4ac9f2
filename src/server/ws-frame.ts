/** Live messages as they stand on the wire of a WebSocket. */
import type { Envelope } from './block.ts';

/** A message of a stream as graphql-transport-ws has it, in the frame of RFC 6455, section 5.2. */
export class FrameEnvelope implements Envelope {
  private readonly head: Buffer;
  /** Of what is put around a payload; beside it, as there are thousands of heads, and to ask each takes time. */
  private readonly around: number;

  constructor(id: string) {
    this.head = Buffer.from(`{"id":${JSON.stringify(id)},"type":"next","payload":`);
    this.around = this.head.length + TAIL.length;
  }

  size(payload: Buffer): number {
    const length = this.length(payload);
    return frameHeadSize(length) + length;
  }

  write(into: Buffer, start: number, payload: Buffer): number {
    let at = writeFrameHead(into, start, this.length(payload));
    for (const part of [this.head, payload, TAIL]) {
      into.set(part, at);
      at += part.length;
    }
    return at;
  }

  isLike(other: Envelope): boolean {
    return other instanceof FrameEnvelope && other.around === this.around;
  }

  readdress(into: Buffer, start: number, payload: Buffer): number {
    const size = this.size(payload);
    into.set(this.head, start + size - this.around - payload.length);
    return start + size;
  }

  private length(payload: Buffer): number {
    return this.around + payload.length;
  }
}

const TAIL = Buffer.from('}');
/** A final frame of text, not masked. */
const TEXT_FRAME = 0x81;

function frameHeadSize(length: number): number {
  return length < 126 ? 2 : length < 65_536 ? 4 : 10;
}

function writeFrameHead(into: Buffer, at: number, length: number): number {
  into[at] = TEXT_FRAME;
  if (length < 126) return into.writeUInt8(length, at + 1);
  if (length < 65_536) return into.writeUInt16BE(length, into.writeUInt8(126, at + 1));
  return into.writeUInt32BE(length, into.writeUInt32BE(0, into.writeUInt8(127, at + 1)));
}

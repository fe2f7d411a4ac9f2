/**
 * Walks the WebSocket frames of a byte stream (RFC 6455, 5.2) without copying or decoding them: the load
 * has to read some 300 MB a second and leave the core to the server. Only a frame that is torn between two
 * chunks is put together in a buffer of its own.
 */

export const TEXT = 0x1;
export const CLOSE = 0x8;
export const PING = 0x9;
export const PONG = 0xa;

const FIN = 0x80;
const MASKED = 0x80;
const LONGEST_HEADER = 10;
const ZERO_KEY_BYTES = 4;

/** The payload of a frame lies in the buffer from `start` to `end`, and only until the call returns. */
export type TakeFrame = (opcode: number, buffer: Buffer, start: number, end: number) => void;

export function createFrameReader(take: TakeFrame): (chunk: Buffer, length: number) => void {
  let torn = Buffer.alloc(0);
  let tornLength = 0;

  /** Adds to the torn frame until it is whole or the chunk is over. @returns how far the chunk is read. */
  function mend(chunk: Buffer, length: number): number {
    let at = 0;
    let size = sizeOf(torn, 0, tornLength);
    while (size === 0 && at < length) {
      append(chunk, at, ++at);
      size = sizeOf(torn, 0, tornLength);
    }
    if (size === 0) return at;
    const rest = Math.min(size - tornLength, length - at);
    append(chunk, at, at + rest);
    if (tornLength === size) {
      tornLength = 0;
      pass(torn, 0, size);
    }
    return at + rest;
  }

  function append(chunk: Buffer, from: number, to: number): void {
    const needed = tornLength + to - from;
    if (needed > torn.length) torn = Buffer.concat([torn.subarray(0, tornLength)], needed * 2);
    chunk.copy(torn, tornLength, from, to);
    tornLength = needed;
  }

  function pass(buffer: Buffer, from: number, size: number): void {
    const first = buffer[from] as number;
    if ((first & FIN) === 0) throw new Error('A message came in several frames.');
    take(first & 0xf, buffer, from + headerOf(buffer[from + 1] as number), from + size);
  }

  return (chunk, length) => {
    let at = tornLength > 0 ? mend(chunk, length) : 0;
    while (at < length) {
      const size = sizeOf(chunk, at, length);
      if (size === 0 || at + size > length) return append(chunk, at, length);
      pass(chunk, at, size);
      at += size;
    }
  };
}

/** Of the whole frame; 0 while its header is not there yet. */
function sizeOf(buffer: Buffer, from: number, to: number): number {
  if (to - from < 2) return 0;
  const length = buffer[from + 1] as number;
  if (length < 126) return 2 + length;
  if (to - from < headerOf(length)) return 0;
  if (length === 126) return 4 + (((buffer[from + 2] as number) << 8) | (buffer[from + 3] as number));
  if (length === 127) return LONGEST_HEADER + Number(buffer.readBigUInt64BE(from + 2));
  throw new Error('The server masked a frame.');
}

function headerOf(length: number): number {
  if (length < 126) return 2;
  return length === 126 ? 4 : LONGEST_HEADER;
}

/** A client's frame. Its mask is zero, which is a mask like any other and leaves the payload as it is. */
export function encodeFrame(opcode: number, payload: Buffer | string): Buffer {
  const body = Buffer.from(payload as string);
  const long = body.length > 125;
  if (body.length > 0xffff) throw new Error('Longer than what a client here has to say.');
  const header = Buffer.alloc((long ? 4 : 2) + ZERO_KEY_BYTES);
  header[0] = FIN | opcode;
  header[1] = MASKED | (long ? 126 : body.length);
  if (long) header.writeUInt16BE(body.length, 2);
  return Buffer.concat([header, body]);
}

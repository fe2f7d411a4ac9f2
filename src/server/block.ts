/**
 * Blocks: messages in their envelopes, put together to be written to one connection by one write.
 *
 *     payloads ──▶ new block ─────────▶ a connection that is behind: its memory is its own
 *         └──────▶ reused block ──▶ one connection ──address changed──▶ the next ──▶ …
 *
 * A write to a socket is copied by the system at once as long as the socket takes it. So a thousand connections that
 * are told the same are told it by one block, and what is the same for all is copied by the system alone, from memory
 * that stays at hand.
 */

/** What a door puts around a message, with the address of a subscription. */
export interface Envelope {
  /** Of the message in its envelope, in bytes. */
  size(payload: Buffer): number;
  /** Writes the message with its envelope. @returns where it ends. */
  write(into: Buffer, at: number, payload: Buffer): number;
  /** Whether they differ in nothing but the address, which is as long. */
  isLike(other: Envelope): boolean;
  /** Writes the address over that of another which is alike, around the same message. @returns where this ends. */
  readdress(into: Buffer, at: number, payload: Buffer): number;
}

/** Room for a block that is full, and the message that filled it. */
const REUSED_BYTES = 131_072;

/** In memory of its own. @param bytes of all messages in their envelopes. */
export function newBlock(envelopes: readonly Envelope[], payloads: readonly Buffer[], bytes: number): Buffer {
  const block = Buffer.allocUnsafe(bytes);
  fill(block, envelopes, payloads);
  return block;
}

/** A block, and what it was made of. */
interface Block {
  readonly block: Buffer;
  readonly envelopes: readonly Envelope[];
  readonly payloads: readonly Buffer[];
}

/** The one that was made last. */
let lately: Block | null = null;
/**
 * Memory that blocks are made in, all of them from one place on. Memory of its own for each, a megabyte an event for
 * a thousand connections, kept the garbage collector busy with marking for a sixth of the processor time.
 */
let reused = Buffer.allocUnsafe(REUSED_BYTES);
let reusedFrom = 0;

/**
 * To be written to a connection that copies it at once; otherwise `leaveReused` is to be called.
 *
 * @param bytes as for `newBlock`.
 * @returns what stands until the next is asked for: the last one with other addresses, where all else is the same.
 */
export function reusedBlock(
  envelopes: readonly Envelope[],
  payloads: readonly Buffer[],
  bytes: number,
): Buffer {
  if (lately !== null && isAlike(lately, envelopes, payloads)) {
    readdress(lately.block, envelopes, payloads);
    return lately.block;
  }
  if (bytes > REUSED_BYTES) return newBlock(envelopes, payloads, bytes);
  if (reusedFrom + bytes > REUSED_BYTES) {
    reused = Buffer.allocUnsafe(REUSED_BYTES);
    reusedFrom = 0;
  }
  lately = null;
  const block = reused.subarray(reusedFrom, reusedFrom + bytes);
  fill(block, envelopes, payloads);
  lately = { block, envelopes, payloads };
  return block;
}

/** Somebody still looks at a block that was made for reuse: the next is made behind it. */
export function leaveReused(block: Buffer): void {
  if (block !== lately?.block) return;
  lately = null;
  reusedFrom += block.length;
}

function isAlike(block: Block, envelopes: readonly Envelope[], payloads: readonly Buffer[]): boolean {
  if (block.payloads.length !== payloads.length) return false;
  for (let nth = 0; nth < payloads.length; nth++) {
    if (block.payloads[nth] !== payloads[nth]) return false;
    if (!(envelopes[nth] as Envelope).isLike(block.envelopes[nth] as Envelope)) return false;
  }
  return true;
}

function fill(block: Buffer, envelopes: readonly Envelope[], payloads: readonly Buffer[]): void {
  let at = 0;
  for (let nth = 0; nth < payloads.length; nth++) {
    at = (envelopes[nth] as Envelope).write(block, at, payloads[nth] as Buffer);
  }
}

function readdress(block: Buffer, envelopes: readonly Envelope[], payloads: readonly Buffer[]): void {
  let at = 0;
  for (let nth = 0; nth < payloads.length; nth++) {
    at = (envelopes[nth] as Envelope).readdress(block, at, payloads[nth] as Buffer);
  }
}

/**
 * Cursors: where a reader of a journal stands. One AES block that holds journal, epoch and position, the
 * same for every holder: it can be kept, compared and handed on, and tells none of the three, because a
 * position would tell how many events are hidden.
 *
 *     byte  0 ─ 3   4 ─ 8           9 ─ 15
 *          journal  start of epoch  position
 *
 * A block cipher used on single blocks is a secret permutation of them (that is what AES is; modes are
 * for longer texts). A made-up cursor decrypts to noise, and noise names this journal and epoch once in
 * 2^72 tries.
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { EventreeError } from '../base/errors.ts';
import type { Position } from './event.ts';
import { type Journal, unwritten } from './journal.ts';

export type Cursor = string & { readonly __brand: 'Cursor' };

export interface Seal {
  seal(journal: Journal, position: number): Cursor;
  /** @throws CURSOR_INVALID for what was not sealed here, for this journal, in its present epoch. */
  open(journal: Journal, cursor: string): Position;
}

/** @param key 32 bytes, the same on all nodes. */
export function createSeal(key: Uint8Array): Seal {
  // Without padding and chaining the two carry nothing over from one block to the next, so one of each
  // serves for ever.
  const encrypt = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false);
  const decrypt = createDecipheriv('aes-256-ecb', key, null).setAutoPadding(false);

  return {
    seal(journal, position) {
      return encrypt.update(blockOf(journal, position)).toString('base64url') as Cursor;
    },

    open(journal, cursor) {
      const sealed = Buffer.from(cursor, 'base64url');
      if (sealed.length !== 16 || sealed.toString('base64url') !== cursor) {
        throw invalid('It is not one that this server gave out: pass on a cursor just as it was received.');
      }
      const block = decrypt.update(sealed);
      // From before anything was recorded in it: from the beginning.
      if (block.equals(blockOf(unwritten(journal.name), 0))) return 0 as Position;
      if (block.readUInt32BE(0) !== journal.id) {
        throw invalid(`It does not belong to the journal ${journal.name}.`);
      }
      if (block.toString('hex', 4, 9) !== startOfEpoch(journal)) {
        throw invalid('The journal has been restored from a backup since: start again without a cursor.');
      }
      return (block.readUInt8(9) * 2 ** 48 + block.readUIntBE(10, 6)) as Position;
    },
  };
}

function blockOf(journal: Journal, position: number): Buffer {
  const block = Buffer.allocUnsafe(16);
  block.writeUInt32BE(journal.id, 0);
  block.write(startOfEpoch(journal), 4, 'hex');
  block.writeUInt8(Math.floor(position / 2 ** 48), 9);
  block.writeUIntBE(position % 2 ** 48, 10, 6);
  return block;
}

/** Five bytes, in hexadecimal digits. */
function startOfEpoch({ epoch }: Journal): string {
  return epoch.replaceAll('-', '').slice(0, 10);
}

function invalid(why: string): EventreeError {
  return new EventreeError('CURSOR_INVALID', `The cursor is not valid. ${why}`);
}

/** Ids of events: UUIDs of version 7, by this machine's clock. */
import { randomFillSync } from 'node:crypto';
import { v7 } from 'uuid';

const ID_BYTES = 16;
/** The system is asked for randomness once for many ids: it would be most of what an id costs. */
const random = new Uint8Array(ID_BYTES * 1_024);
let used = random.length;

/** As `newEventId` of the client, at a fraction of the price. */
export function newId(): string {
  if (used === random.length) {
    randomFillSync(random);
    used = 0;
  }
  const own = random.subarray(used, used + ID_BYTES);
  used += ID_BYTES;
  return v7({ msecs: Date.now(), random: own });
}

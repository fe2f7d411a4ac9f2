/** The job of the night: interest for everybody, in one tree. */
import type { Recorder } from '../../src/recorder/index.ts';
import type { BankDatabase } from './database.ts';

/** Half a percent. */
const RATE = 0.005;

/**
 * Each account by itself: one that fails does not stop the others, and is told of in the journal.
 *
 * @returns how many earned something.
 */
export function payInterest(db: BankDatabase, recorder: Recorder): Promise<number> {
  return recorder.call('payInterest', { actor: 'user/nightly' }, async (call) => {
    let paid = 0;
    for (const { id, balance } of await db.account.findMany({ orderBy: { id: 'asc' } })) {
      const resource = `account/${id}`;
      const cents = Math.floor(balance * RATE);
      if (cents <= 0) continue;
      try {
        await call.group({ type: 'interest', resource, attributes: { cents } }, () =>
          db.account.update({ where: { id }, data: { balance: { increment: cents } } }),
        );
        paid++;
      } catch (error) {
        // The group has failed and is not kept: this tells of it, whatever becomes of the rest.
        const attributes = { cents, error: 'InterestFailed', error_value: String(error) };
        call.record({ type: 'interest.failed', resource, attributes, always: true });
      }
    }
    return paid;
  });
}

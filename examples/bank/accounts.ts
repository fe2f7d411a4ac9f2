/** What a bank does. There is not a word of events here: the tables are written, and the extension sees it. */
import type { BankDatabase } from './database.ts';
import { InsufficientFunds, NotEmpty, NotSignedIn, NotYours } from './errors.ts';

export function register(db: BankDatabase, name: string, pin: string) {
  return db.customer.create({ data: { name, pin } });
}

/** @throws NotSignedIn */
export async function checkPin(db: BankDatabase, name: string, pin: string): Promise<void> {
  const customer = await db.customer.findUnique({ where: { name } });
  if (customer?.pin !== pin) throw new NotSignedIn();
}

export function openAccount(db: BankDatabase, owner: string, balance: number) {
  return db.account.create({ data: { owner, balance } });
}

export interface Order {
  readonly from: string;
  readonly to: string;
  /** More than none. */
  readonly cents: number;
}

/** All of it or nothing. @throws InsufficientFunds, NotYours */
export function transfer(db: BankDatabase, owner: string, { from, to, cents }: Order) {
  return db.$transaction(async (tx) => {
    await checkOwner(tx, owner, from);
    const { balance } = await tx.account.update({
      where: { id: from },
      data: { balance: { decrement: cents } },
    });
    // What has been written so far is undone, and so is its history.
    if (cents <= 0 || balance < 0) throw new InsufficientFunds(from, cents);
    await tx.account.update({ where: { id: to }, data: { balance: { increment: cents } } });
    return tx.transfer.create({ data: { from, to, cents } });
  });
}

/** @throws NotEmpty, NotYours */
export function closeAccount(db: BankDatabase, owner: string, id: string) {
  return db.$transaction(async (tx) => {
    const account = await checkOwner(tx, owner, id);
    if (account.balance !== 0) throw new NotEmpty(id);
    return tx.account.delete({ where: { id } });
  });
}

async function checkOwner(tx: Pick<BankDatabase, 'account'>, owner: string, id: string) {
  const account = await tx.account.findUnique({ where: { id } });
  if (account?.owner !== owner) throw new NotYours(id);
  return account;
}

/**
 * One after another, in each transaction: two operations that an application starts at once would both read before
 * either has written, and a lock does not part what is of one transaction.
 */
export class Queues {
  private readonly tails = new Map<string, Promise<unknown>>();

  /** Runs it when all that was given before under the same id has ended. */
  run<T>(id: string, run: () => Promise<T>): Promise<T> {
    const before = this.tails.get(id);
    const result = before === undefined ? run() : before.then(run, run);
    this.tails.set(id, result);
    const leave = () => {
      if (this.tails.get(id) === result) this.tails.delete(id);
    };
    result.then(leave, leave);
    return result;
  }
}

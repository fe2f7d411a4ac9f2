/**
 * The order in which resources are put over the API: what the later tree says stays, though an earlier one was set
 * aside meanwhile, and is sent behind it. What a later one has put is left out of what the earlier ones still put.
 *
 *     add ──▶ waits ──▶ put ──▶ left out of those that were added before
 *               └──refused──▶ drop
 *
 * The same by fields as in an outbox; see ../outbox/puts.ts. One is put at a time.
 */
import type { ResourcePut } from '../outbox/parcel.ts';

/** What a tree has still to put. */
export interface Putting {
  resources: readonly ResourcePut[];
}

export class PutOrder {
  private readonly put: (resource: ResourcePut) => Promise<void>;
  /** Who has still to put a resource, by its ref, in the order in which they were added. */
  private readonly waiting = new Map<string, Set<Putting>>();

  constructor(put: (resource: ResourcePut) => Promise<void>) {
    this.put = put;
  }

  add(putting: Putting): void {
    for (const { ref } of putting.resources) {
      const others = this.waiting.get(ref);
      if (others === undefined) this.waiting.set(ref, new Set([putting]));
      else others.add(putting);
    }
  }

  /** What is put is not put again with events that are sent again. @throws what the API throws. */
  async putAll(putting: Putting): Promise<void> {
    for (let [next] = putting.resources; next !== undefined; [next] = putting.resources) {
      await this.put(next);
      putting.resources = putting.resources.slice(1);
      for (const earlier of this.waiting.get(next.ref) ?? []) {
        if (earlier === putting) break;
        this.leaveOut(earlier, next);
      }
      this.forget(putting, next.ref);
    }
  }

  /** It is not to be put any more. */
  drop(putting: Putting): void {
    const left = putting.resources;
    putting.resources = [];
    for (const { ref } of left) this.forget(putting, ref);
  }

  private leaveOut(earlier: Putting, later: ResourcePut): void {
    const left = earlier.resources.map((put) => (put.ref === later.ref ? withoutLater(put, later) : put));
    earlier.resources = left.filter((put) => put !== null);
    this.forget(earlier, later.ref);
  }

  /** Where it has no more to say of the resource. */
  private forget(putting: Putting, ref: string): void {
    if (putting.resources.some((put) => put.ref === ref)) return;
    const waiting = this.waiting.get(ref);
    waiting?.delete(putting);
    if (waiting?.size === 0) this.waiting.delete(ref);
  }
}

/** Null where nothing is left to say. */
function withoutLater(put: ResourcePut, later: ResourcePut): ResourcePut | null {
  const { name, acl, ...rest } = put;
  const left = {
    ...rest,
    ...(name !== undefined && later.name === undefined && { name }),
    ...(acl !== undefined && later.acl === undefined && { acl }),
  };
  return 'name' in left || 'acl' in left ? left : null;
}

/**
 * The terms of a chunk's events, each with the set of positions that have it. Most events share most of their terms, so
 * what was made once is found by the value that it was made from, and its text is not made again.
 */
import type { Acl } from '../../access/acl.ts';
import type { Json } from '../../base/json.ts';
import type { Attribute } from '../attribute.ts';
import { ACL_CHANGE } from '../builtin.ts';
import type { Registry } from '../registry.ts';
import { addBit, type Bits, noBits, ordinalOf } from './bits.ts';
import {
  type IndexedEvent,
  lastingTerms,
  type Term,
  type TermTaker,
  tellTerms,
  valueTerm,
  viewerTerms,
} from './term.ts';

export class TermCollection implements TermTaker {
  readonly sets = new Map<Term, Bits>();
  private readonly registry: Registry;
  /** By what makes the terms. Values without a term are not kept: numbers in messages may be as many as there are words. */
  private readonly made = new Map<unknown, Map<Json, Bits>>();
  private readonly viewersOfChanges = new Map<Acl, readonly Bits[]>();
  private readonly viewersOfOthers = new Map<Acl, readonly Bits[]>();
  private ordinal = 0;

  constructor(registry: Registry) {
    this.registry = registry;
  }

  /** @param acl of the event's resource, as it stands: one object for all resources that have the same. */
  add(event: IndexedEvent, acl: Acl | null): void {
    this.ordinal = ordinalOf(event.position);
    tellTerms(event, this.registry, this);
    if (acl !== null) for (const bits of this.viewersOf(event, acl)) addBit(bits, this.ordinal);
    for (const term of lastingTerms(event)) addBit(this.bitsOf(term), this.ordinal);
  }

  take(make: (value: string) => Term | null, value: string): void {
    const made = this.madeBy(make);
    let bits = made.get(value);
    if (bits === undefined) {
      const term = make(value);
      if (term === null) return;
      bits = this.bitsOf(term);
      made.set(value, bits);
    }
    addBit(bits, this.ordinal);
  }

  takeValue(attribute: Attribute, value: Json): void {
    const made = this.madeBy(attribute);
    let bits = made.get(value);
    if (bits === undefined) {
      bits = this.bitsOf(valueTerm(attribute, value));
      made.set(value, bits);
    }
    addBit(bits, this.ordinal);
  }

  private viewersOf(event: IndexedEvent, acl: Acl): readonly Bits[] {
    const known = event.type === ACL_CHANGE ? this.viewersOfChanges : this.viewersOfOthers;
    let viewers = known.get(acl);
    if (viewers === undefined) {
      viewers = viewerTerms(event, acl).map((term) => this.bitsOf(term));
      known.set(acl, viewers);
    }
    return viewers;
  }

  private madeBy(maker: unknown): Map<Json, Bits> {
    let made = this.made.get(maker);
    if (made === undefined) {
      made = new Map();
      this.made.set(maker, made);
    }
    return made;
  }

  private bitsOf(term: Term): Bits {
    let bits = this.sets.get(term);
    if (bits === undefined) {
      bits = noBits();
      this.sets.set(term, bits);
    }
    return bits;
  }
}

/**
 * How a stream's deliveries are put into words: once for all whose words are the same, however many they
 * are. What the words are is known above (graphql/); who may share them is decided by the key.
 */
import pLimit from 'p-limit';
import { ADMIN } from '../access/claim.ts';
import { isAdmin, nameOfPrincipal, type Principal } from '../access/principal.ts';
import type { ResourceRef } from '../access/resource-ref.ts';
import type { Position, SeenEvent } from '../events/event.ts';
import type { Journal } from '../events/journal.ts';
import type { Delivery } from './delivery.ts';
import type { Message } from './member.ts';

/** What a client has asked to be told. */
export interface Wording {
  /** Equal where the same is asked for in the same words. */
  readonly key: string;
  /**
   * Whether what is said of an event follows from the event and the level at which the viewer sees it
   * alone; otherwise it is shared by viewers of the same claims, by tokens of one moment, only.
   */
  readonly shared: boolean;
  /** A message for each event, without any for what has none; or one for each delivery. */
  readonly unit: 'event' | 'delivery';
  /** @returns JSON. */
  word(delivery: Delivery, viewer: Principal): string | Promise<string>;
}

/** What a group is told in one step of the journal; of a delivery, what may differ between groups. */
export interface Step {
  readonly events: readonly SeenEvent[];
  readonly hidden: readonly ResourceRef[];
  readonly position: Position;
}

/** Messages of one wording for one kind of viewer. Groups that are told of a batch one after the other share them. */
export interface Speaker {
  say(step: Step): Message | Promise<Message>;
  /** Likewise a step of one event. */
  sayEvent(seen: SeenEvent): Message | Promise<Message>;
  /** Nobody listens any more: what has not been begun is not. */
  fallSilent(): void;
}

type Said = Message | Promise<Message>;

/**
 * Messages of all journals that are put into words at a time, where each viewer has words of their own: these are
 * looked up in the database, to which others want to get too. A thousand viewers of a hundred events would otherwise
 * ask a hundred thousand questions at once.
 */
const IN_WORK = 32;
const inTurn = pLimit(IN_WORK);
/** To those who have left. */
const NOTHING_SAID = '';

/** @param journal of all steps. */
export function createSpeaker(wording: Wording, viewer: Principal, journal: () => Journal): Speaker {
  const ofEvents = new Map<SeenEvent, Said>();
  /** By their first events: those that begin alike are compared one by one. */
  const ofSteps = new Map<SeenEvent | null, { readonly step: Step; readonly said: Said }[]>();
  let isSilent = false;

  function word(step: Step): Said {
    // All groups are told of a batch within one turn.
    if (ofEvents.size + ofSteps.size === 0) setImmediate(forget);
    const { events, hidden, position } = step;
    const speak = () =>
      wording.word({ events, hidden, position, journal: journal(), live: true, gap: null }, viewer);
    const words = wording.shared ? speak() : inTurn(() => (isSilent ? NOTHING_SAID : speak()));
    const isCheckpoint = events.length + hidden.length === 0;
    const message = (text: string) => ({ position, payload: Buffer.from(text), isCheckpoint });
    if (typeof words === 'string') return message(words);
    const said = words.then(message);
    // Groups that wait for it see to its failure; there may be none by then.
    said.catch(() => {});
    return said;
  }

  function forget(): void {
    ofEvents.clear();
    ofSteps.clear();
  }

  return {
    say(step) {
      const first = step.events[0] ?? null;
      const alike = ofSteps.get(first) ?? [];
      const known = alike.find((other) => isSame(other.step, step));
      if (known !== undefined) return known.said;
      const said = word(step);
      ofSteps.set(first, alike);
      alike.push({ step, said });
      return said;
    },
    sayEvent(seen) {
      const known = ofEvents.get(seen);
      if (known !== undefined) return known;
      const said = word({ events: [seen], hidden: [], position: seen.event.position });
      ofEvents.set(seen, said);
      return said;
    },
    fallSilent() {
      isSilent = true;
    },
  };
}

/** Viewers of one name may be told the same in the same words. */
export function audienceOf({ shared }: Wording, viewer: Principal): string {
  if (!shared) return nameOfPrincipal(viewer);
  // They alone see positions.
  return isAdmin(viewer) ? ADMIN : '';
}

function isSame(a: Step, b: Step): boolean {
  return a.position === b.position && areSame(a.events, b.events) && areSame(a.hidden, b.hidden);
}

/** The hub hands out one object for an event and a level. */
function areSame(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((each, nth) => each === b[nth]);
}

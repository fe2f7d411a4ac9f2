/**
 * Who may see the pages that load.ts records about; and, where that changes while they are recorded, whether
 * every stream stopped exactly where its viewer lost the right. Pure but for `showPages`; history.test.ts
 * sees to it that each kind of fault is noticed.
 *
 *     leaked   given though it was recorded while the viewer had no right, nor can have got one before it came
 *     lost     recorded while the viewer had the right, passed by a cursor and not given; though the viewer
 *              cannot have lost the right before that cursor came
 *     unsaid   a cursor passed the loss of a right, and `hidden` did not name the resource; though the right
 *              cannot have been given back before that cursor came
 *
 * What is read from the journal, by who catches up or by a node that lacks some news, is judged by the rights
 * of that moment: hence what may have been by the time it came.
 */

import { at } from './follower.ts';
import type { Message } from './history.ts';
import type { World } from './world.ts';

const PUT = `mutation ($input: PutResourceInput!) { putResource(input: $input) { ref } }`;

/** Creates pages that the holders of a claim may see; by default the first server is asked. */
export async function showPages(
  world: World,
  refs: readonly string[],
  claim: string,
  url?: string,
): Promise<void> {
  const where = url === undefined ? {} : { server: at(url) };
  for (const ref of refs) await world.ask(PUT, { input: { ref, acl: { viewData: [claim] } } }, where);
}

/** From its position on, only these claims may see events of the resource. */
export interface RightsChange {
  readonly resource: string;
  /** 0 for how it began. */
  readonly position: number;
  readonly claims: readonly string[];
  /** When it was sent for; it took place after that. */
  readonly askedAtMs: number;
}

export interface ViewedMessage extends Message {
  readonly hidden: readonly string[];
  readonly atMs: number;
}

export interface Viewer {
  readonly name: string;
  /** By which it sees what it sees. */
  readonly claim: string;
  /** From the beginning of the journal on. */
  readonly messages: readonly ViewedMessage[];
}

export interface RightsHistory {
  /** In the order of positions. */
  readonly events: readonly { readonly id: string; readonly position: number; readonly resource: string }[];
  /** In the order of positions. */
  readonly changes: readonly RightsChange[];
  readonly viewers: readonly Viewer[];
}

export interface RightsFault {
  readonly kind: 'leaked' | 'lost' | 'unsaid';
  readonly who: string;
  /** An event's id; or the resource and the position at which the right was lost. */
  readonly what: string;
}

export function rightsFaultsOf(history: RightsHistory): RightsFault[] {
  return history.viewers.flatMap((viewer) => faultsOfViewer(history, viewer));
}

function faultsOfViewer({ events, changes }: RightsHistory, viewer: Viewer): RightsFault[] {
  const { name: who, claim, messages } = viewer;
  const faults: RightsFault[] = [];
  const byId = new Map(events.map((event) => [event.id, event]));
  const resources = [...new Set(changes.map(({ resource }) => resource))];
  const byResource = new Map(
    resources.map((resource) => [resource, changes.filter((change) => change.resource === resource)]),
  );
  const of = (resource: string) => byResource.get(resource) ?? [];
  const held = (resource: string, position: number) =>
    of(resource)
      .findLast((change) => change.position < position)
      ?.claims.includes(claim) ?? false;
  /** Whether the viewer may have had the right, or not, at some moment between a position and a message. */
  const mayHaveBeen = (isHeld: boolean, resource: string, after: number, { atMs }: ViewedMessage) =>
    of(resource).some(
      ({ position, claims, askedAtMs }) =>
        position > after && askedAtMs < atMs && claims.includes(claim) === isHeld,
    );

  const given = new Set<string>();
  for (const message of messages) {
    for (const id of message.ids) {
      given.add(id);
      const event = byId.get(id);
      if (event !== undefined && held(event.resource, event.position)) continue;
      if (event !== undefined && mayHaveBeen(true, event.resource, event.position, message)) continue;
      faults.push({ kind: 'leaked', who, what: id });
    }
  }

  let nth = 0;
  /** The message whose cursor first passed a position; positions are asked for in rising order. */
  const passing = (position: number) => {
    while (nth < messages.length && (messages[nth] as ViewedMessage).upTo < position) nth++;
    return messages[nth];
  };
  for (const { id, position, resource } of events) {
    const message = passing(position);
    if (message === undefined || given.has(id) || !held(resource, position)) continue;
    if (!mayHaveBeen(false, resource, position, message)) faults.push({ kind: 'lost', who, what: id });
  }
  nth = 0;
  for (const { resource, position, claims } of changes) {
    const message = passing(position);
    if (message === undefined || claims.includes(claim) || !held(resource, position)) continue;
    if (message.hidden.includes(resource) || mayHaveBeen(true, resource, position, message)) continue;
    faults.push({ kind: 'unsaid', who, what: `${resource} at ${position}` });
  }
  return faults;
}

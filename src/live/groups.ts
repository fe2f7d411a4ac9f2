/**
 * The groups of one journal: found by what makes their messages alike, opened for their first members and
 * closed after the last, and the words that several of them share.
 */
import { nameOfPrincipal } from '../access/principal.ts';
import { Group, type GroupRequest } from './group.ts';
import type { Hub } from './hub.ts';
import type { Member } from './member.ts';
import type { Wire } from './wire.ts';
import { audienceOf, createSpeaker, type Speaker } from './wording.ts';

export interface Groups {
  /** What comes after the hub's position of this moment is held for the member until it is released. */
  join(request: GroupRequest, wire: Wire): Member;
  /** To be called often: a group whose token has expired is left, one that was silent for long says where it stands. */
  look(): void;
}

interface SharedSpeaker {
  readonly speaker: Speaker;
  groups: number;
}

/** @param silenceMs after which a group says where it stands, if its wording has words for that. */
export function createGroups(hub: Hub, silenceMs: number): Groups {
  const groups = new Map<string, Group>();
  const speakers = new Map<string, SharedSpeaker>();

  function open(name: string, request: GroupRequest): Group {
    const { wording, principal } = request;
    const voice = `${wording.key}\n${audienceOf(wording, principal)}`;
    const shared = speakers.get(voice) ?? {
      speaker: createSpeaker(wording, principal, hub.journal),
      groups: 0,
    };
    speakers.set(voice, shared);
    shared.groups++;
    const group = new Group(request, hub, shared.speaker, {
      onClose() {
        leave();
        groups.delete(name);
      },
      onEmpty() {
        if (--shared.groups > 0) return;
        speakers.delete(voice);
        shared.speaker.fallSilent();
      },
    });
    const leave = hub.join(group);
    groups.set(name, group);
    return group;
  }

  return {
    join(request, wire) {
      const name = nameOf(request);
      return (groups.get(name) ?? open(name, request)).join(wire);
    },
    look() {
      const now = Date.now();
      for (const group of groups.values()) {
        try {
          group.look(now, silenceMs);
        } catch {
          // What cannot be put into words for all, each member finds out for itself.
          group.behind();
        }
      }
    },
  };
}

function nameOf({ filterText, wording, maxBatch, principal }: GroupRequest): string {
  return [wording.key, filterText, maxBatch, nameOfPrincipal(principal)].join('\n');
}

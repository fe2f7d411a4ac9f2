/** What resolvers stand on: the rooms below, and who asks. */
import DataLoader from 'dataloader';
import type { Principal } from '../access/principal.ts';
import type { Resource } from '../access/resource.ts';
import type { ResourceRef } from '../access/resource-ref.ts';
import type { Resources } from '../access/resources.ts';
import type { ChangeAcl } from '../events/acl-change.ts';
import type { Seal } from '../events/cursor.ts';
import type { EventId, SeenEvent } from '../events/event.ts';
import type { Journals } from '../events/journal.ts';
import type { Reader } from '../events/read.ts';
import type { Recording } from '../events/record.ts';
import type { RegistryStore } from '../events/registry-store.ts';
import type { FollowOptions } from '../live/follow.ts';

export interface Core {
  readonly registry: RegistryStore;
  readonly journals: Journals;
  readonly seal: Seal;
  readonly reader: Reader;
  readonly recording: Recording;
  readonly resources: Resources;
  readonly changeAcl: ChangeAcl;
  /** Adds a newly indexed attribute of events recorded before to the index. */
  readonly indexAttribute: (name: string) => Promise<void>;
  readonly follow: FollowOptions;
}

export interface Context {
  readonly core: Core;
  readonly principal: Principal;
  /** Gathers look-ups of one moment into one statement. Keeps nothing: a subscription's context lives long. */
  readonly events: DataLoader<EventId, SeenEvent | null>;
  readonly resources: DataLoader<ResourceRef, Resource | null>;
}

const MAX_GATHERED = 1_000;

export function createContext(core: Core, principal: Principal): Context {
  const options = { cache: false, maxBatchSize: MAX_GATHERED };
  let events: Context['events'] | undefined;
  let resources: Context['resources'] | undefined;
  return {
    core,
    principal,
    get events() {
      events ??= new DataLoader(async (ids) => {
        const found = await core.reader.byIds([...new Set(ids)], principal);
        return ids.map((id) => found.get(id) ?? null);
      }, options);
      return events;
    },
    get resources() {
      resources ??= new DataLoader(async (refs) => {
        const found = await core.resources.find([...new Set(refs)]);
        return refs.map((ref) => found.get(ref) ?? null);
      }, options);
      return resources;
    },
  };
}

/** What resolvers stand on: the rooms below, and who asks. */
import DataLoader from 'dataloader';
import type { ExecutionArgs, ExecutionResult } from 'graphql';
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
import type { RevokeTokens } from '../events/token-revocation.ts';
import type { FollowOptions } from '../live/follow.ts';
import type { Wire } from '../live/wire.ts';
import type { Markers } from '../outbox/markers.ts';

export interface Core {
  readonly registry: RegistryStore;
  readonly journals: Journals;
  readonly seal: Seal;
  readonly reader: Reader;
  readonly recording: Recording;
  readonly resources: Resources;
  readonly changeAcl: ChangeAcl;
  readonly markers: Markers;
  readonly revokeTokens: RevokeTokens;
  /** Adds a newly indexed attribute of events recorded before to the index. */
  readonly indexAttribute: (name: string) => Promise<void>;
  readonly follow: FollowOptions;
}

/** The subscription that is opened, and where its messages go. */
export interface Outlet {
  readonly wire: Wire;
  readonly operation: Omit<ExecutionArgs, 'contextValue'>;
  /** As the door sends it. */
  print(result: ExecutionResult): string;
}

const GATHERED = { cache: false, maxBatchSize: 1_000 };

/** A class, because every request has one and every subscription keeps one: its accessors stand once. */
export class Context {
  readonly core: Core;
  readonly principal: Principal;
  /**
   * Whether what is worked out is for all who see an event at its level, and not for the principal: then
   * only fields that are SHARED are asked for.
   */
  readonly shared: boolean;
  /** Set where a subscription is opened. */
  readonly outlet: Outlet | null;
  private eventLoader: DataLoader<EventId, SeenEvent | null> | undefined;
  private last: Promise<unknown> | undefined;

  constructor(
    core: Core,
    principal: Principal,
    { shared = false, outlet = null }: Partial<Pick<Context, 'shared' | 'outlet'>> = {},
  ) {
    this.core = core;
    this.principal = principal;
    this.shared = shared;
    this.outlet = outlet;
  }

  /** Gathers look-ups of one moment into one statement. Keeps nothing: a subscription's context lives long. */
  get events(): DataLoader<EventId, SeenEvent | null> {
    this.eventLoader ??= new DataLoader(async (ids) => {
      const found = await this.core.reader.byIds([...new Set(ids)], this.principal);
      return ids.map((id) => found.get(id) ?? null);
    }, GATHERED);
    return this.eventLoader;
  }

  /** Likewise, of all requests together: whether the viewer may see what is found is for the caller to judge. */
  get resources(): DataLoader<ResourceRef, Resource | null> {
    return resourceLoaderOf(this.core.resources);
  }

  /**
   * Runs it when all that was handed in before is done: of what a request asks for a hundred times, one is under way at
   * a time, and others get a connection to the database too.
   */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = (this.last ?? Promise.resolve()).then(work);
    this.last = turn.catch(() => {});
    return turn;
  }
}

const resourceLoaders = new WeakMap<Resources, DataLoader<ResourceRef, Resource | null>>();

/** A thousand viewers of one event, who are told of it each in words of their own, ask for one resource. */
function resourceLoaderOf(resources: Resources): DataLoader<ResourceRef, Resource | null> {
  const known = resourceLoaders.get(resources);
  if (known !== undefined) return known;
  const loader = new DataLoader<ResourceRef, Resource | null>(
    async (refs) => {
      // Who asks from now on is answered by the next statement.
      loader.clearAll();
      const found = await resources.find(refs);
      return refs.map((ref) => found.get(ref) ?? null);
    },
    { maxBatchSize: GATHERED.maxBatchSize },
  );
  resourceLoaders.set(resources, loader);
  return loader;
}

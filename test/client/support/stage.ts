/** What the tests of clients that are not ours have in common: what they ask, and a network to cut. */
import { expect } from 'vitest';
import { newEvents, RECORD } from '../../support/load.ts';
import { addressOf, startTcpProxy } from '../../support/tcp-proxy.ts';
import { openWorld, unique, type World } from '../../support/world.ts';
import { startResuming } from './resuming.ts';

export const VIEWER = 'query Viewer { viewer { subject } }';

export const RECORD_ONE = `mutation RecordOne($input: RecordEventInput!) {
  recordEvent(input: $input) { event { id message } }
}`;

export const PAGE = `query Page($journal: String!, $after: String) {
  events(journal: $journal, order: OLDEST_FIRST, first: 3, after: $after) {
    edges { cursor node { id } } pageInfo { hasNextPage endCursor }
  }
}`;

export interface PageData {
  readonly events: {
    readonly edges: readonly { readonly cursor: string; readonly node: { readonly id: string } }[];
    readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string };
  };
}

export interface Stage {
  readonly world: World;
  readonly journal: string;
  /** Of a server behind a network that can be cut. */
  readonly httpUrl: string;
  readonly wsUrl: string;
  readonly token: string;
  record(count: number): Promise<string[]>;
  /** Follows the journal, cuts what it is followed by, and sees to it that nothing is missing or comes twice. */
  checkResuming(subscribe: Parameters<typeof startResuming>[0]): Promise<void>;
}

const CUTS = 3;

export async function openStage(): Promise<Stage> {
  const world = await openWorld();
  const proxy = await startTcpProxy(addressOf(String(world.servers[0]?.url)));
  const journal = unique('journal');

  async function record(count: number): Promise<string[]> {
    const input = newEvents(count).map((event) => ({ ...event, journal }));
    await world.ask(RECORD, { input });
    return input.map(({ id }) => id);
  }

  return {
    world,
    journal,
    httpUrl: `http://127.0.0.1:${proxy.port}/graphql`,
    wsUrl: `ws://127.0.0.1:${proxy.port}/graphql`,
    token: await world.token({ subject: 'jane', groups: ['admin'] }),
    record,
    async checkResuming(subscribe) {
      const ids = await record(5);
      const { seen, starts } = startResuming(subscribe);
      const isComplete = () => expect.poll(() => seen, { timeout: 20_000 }).toEqual(ids);
      await isComplete();
      for (let cuts = 0; cuts < CUTS; cuts++) {
        proxy.refuse(true);
        ids.push(...(await record(3)));
        proxy.refuse(false);
        await isComplete();
        ids.push(...(await record(1)));
        await isComplete();
      }
      expect(starts()).toBeGreaterThan(CUTS);
    },
  };
}

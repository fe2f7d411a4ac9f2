/**
 * The stream of one filter: the newest page, then what comes after it, without a gap between the two.
 *
 * What arrives is told at once to who counts it, and to who draws it no more often than one can read.
 */
import {
  type Client,
  type EventFilter,
  type FollowState,
  LINE_FIELDS,
  type StreamMessage,
} from '../../../src/client/index.ts';
import { type Connection, connectionOf } from './connection.ts';
import { MOST_BACK, type StreamEvent, StreamStore } from './stream-store.ts';

const FIELDS = `${LINE_FIELDS} visibleToActor`;
const PAGE = 200;
/** Above so many events a second, the page is drawn anew only so often: nobody reads faster. */
const CALM_ABOVE = 60;
const CALM_MS = 120;
const CALM_DOWN_MS = 1_000;

/** As it is now, and what can be done with it. */
export interface StreamView {
  readonly store: StreamStore;
  readonly connection: Connection;
  readonly isLoading: boolean;
  readonly isLoadingOlder: boolean;
  /** Of an older page. */
  readonly error: Error | null;
  /** Said once, where events between two that are shown no longer exist. */
  readonly gap: string | null;
  readonly rate: number;
  hold(isHeld: boolean): void;
  pause(): void;
  letIn(): void;
  group(isOn: boolean): void;
  part(key: string): void;
  loadOlder(): void;
  /** Told what arrives, as it does. @returns how to be told no longer. */
  onArrival(listener: (events: readonly StreamEvent[]) => void): () => void;
}

export class LiveStream {
  readonly store = new StreamStore();
  readonly #client: Client;
  readonly #journal: string;
  readonly #filter: EventFilter | null;
  readonly #subject: () => string | null;
  #connection: Connection = { is: 'connecting' };
  #isLoading = true;
  #isLoadingOlder = false;
  #error: Error | null = null;
  #gap: string | null = null;
  #version = 0;
  #drawing: number | null = null;
  #calming: number | null = null;
  #state: FollowState = { state: 'connecting' };
  #known: number | null = null;
  #leaving = new AbortController();
  readonly #readers = new Set<() => void>();
  readonly #listeners = new Set<(events: readonly StreamEvent[]) => void>();

  constructor(client: Client, journal: string, filter: EventFilter | null, subject: () => string | null) {
    this.#client = client;
    this.#journal = journal;
    this.#filter = filter;
    this.#subject = subject;
  }

  readonly subscribe = (reader: () => void): (() => void) => {
    this.#readers.add(reader);
    return () => void this.#readers.delete(reader);
  };
  readonly version = (): number => this.#version;

  view(): StreamView {
    return {
      store: this.store,
      connection: this.#connection,
      isLoading: this.#isLoading,
      isLoadingOlder: this.#isLoadingOlder,
      error: this.#error,
      gap: this.#gap,
      rate: this.store.rate(performance.now()),
      hold: this.#hold,
      pause: this.#pause,
      letIn: this.#letIn,
      group: this.#group,
      part: this.#part,
      loadOlder: this.#loadOlder,
      onArrival: this.#onArrival,
    };
  }

  /** @returns how to leave. */
  start(): () => void {
    this.#leaving = new AbortController();
    const { signal } = this.#leaving;
    this.#run(signal).catch((error: Error) => {
      if (signal.aborted) return;
      this.#isLoading = false;
      this.#connection = { is: 'ended', error };
      this.#tell();
    });
    // What the browser knows before the socket does. That it is back says nothing of the socket.
    addEventListener('offline', () => this.#offline(), { signal });
    addEventListener('online', () => this.#asItIs(), { signal });
    return () => {
      this.#leaving.abort();
      for (const timer of [this.#drawing, this.#calming]) if (timer !== null) clearTimeout(timer);
      this.#drawing = null;
      this.#calming = null;
    };
  }

  async #run(signal: AbortSignal): Promise<void> {
    const journal = this.#journal;
    const options = { journal, fields: FIELDS, signal };
    this.store.clear();
    // Asked for first: whatever is recorded while the newest matching ones are read comes after it.
    const { nodes: heads } = await this.#client.events<object>(null, {
      journal,
      first: 1,
      fields: '',
      signal,
    });
    const page = await this.#client.events<StreamEvent>(this.#filter, { ...options, first: PAGE });
    this.store.prepend(page.nodes, page.pageInfo.hasNextPage ? page.pageInfo.endCursor : null);
    this.#isLoading = false;
    this.#tell();
    const shown = new Set(page.nodes.map(({ id }) => id));
    const after = heads[0]?.cursor;
    const stream = this.#client.stream<StreamEvent>(this.#filter, {
      ...options,
      ...(after === undefined ? { from: 'BEGINNING' } : { after }),
      maxBatch: 500,
      onState: (state) => {
        const isBack = state.state === 'catching-up' && this.#known !== null;
        this.#state = state;
        this.#connection = connectionOf(state, Date.now());
        if (isBack) void this.#countBehind(signal);
        this.#tell();
      },
    });
    void this.#count(signal).then((count) => {
      this.#known = count;
    });
    for await (const message of stream) this.#take(message, shown);
  }

  #take({ events, gap, hidden, live }: StreamMessage<StreamEvent>, shown: Set<string>): void {
    const fresh = shown.size === 0 ? events : events.filter(({ id }) => !shown.has(id));
    if (live) shown.clear();
    if (gap !== null) this.#gap = gap.reason;
    if (this.#connection.is === 'offline') this.#asItIs();
    if (this.#known !== null) this.#known += fresh.length;
    const { behind = null } = this.#connection.is === 'catching-up' ? this.#connection : {};
    if (behind !== null) this.#connection = { is: 'catching-up', behind: Math.max(0, behind - fresh.length) };
    this.store.arrive(fresh, performance.now());
    if (hidden.length > 0) {
      const gone = new Set(hidden);
      const subject = this.#subject();
      this.store.drop(
        ({ resource, visibleToActor, actor }) =>
          resource !== null && gone.has(resource.ref) && !(visibleToActor && actor === subject),
      );
    }
    for (const listener of this.#listeners) listener(fresh);
    this.#tellSoon();
  }

  /** How many events there are; null where that cannot be told. */
  async #count(signal: AbortSignal): Promise<number | null> {
    const query = `query ($journal: String!, $filter: EventFilter) { eventStatistics(journal: $journal, filter: $filter) { totalCount } }`;
    const variables = { journal: this.#journal, filter: this.#filter };
    try {
      const { eventStatistics } = await this.#client.query<{ eventStatistics: { totalCount: number } }>(
        query,
        variables,
        { signal },
      );
      return eventStatistics.totalCount;
    } catch {
      return null;
    }
  }

  async #countBehind(signal: AbortSignal): Promise<void> {
    const known = this.#known;
    const total = await this.#count(signal);
    if (total === null || known === null || this.#connection.is !== 'catching-up') return;
    const since = (this.#known ?? known) - known;
    this.#connection = { is: 'catching-up', behind: Math.max(0, total - known - since) };
    this.#tell();
  }

  #offline(): void {
    this.#connection = { is: 'offline', why: 'This device has no network.', retryAt: null };
    this.#tell();
  }

  #asItIs(): void {
    this.#connection = connectionOf(this.#state, Date.now());
    this.#tell();
  }

  readonly #hold = (isHeld: boolean): void => {
    if (this.store.isHeld === isHeld) return;
    if (isHeld) this.store.isHeld = true;
    else if (!this.store.isPaused) this.store.letIn();
    else this.store.isHeld = false;
    this.#tell();
  };

  readonly #pause = (): void => {
    this.store.isPaused = true;
    this.#tell();
  };

  readonly #letIn = (): void => {
    this.store.letIn();
    this.#tell();
  };

  readonly #group = (isOn: boolean): void => {
    this.store.groups = isOn;
    this.#tell();
  };

  readonly #part = (key: string): void => {
    this.store.part(key);
    this.#tell();
  };

  readonly #loadOlder = (): void => {
    const { olderCursor, size } = this.store;
    if (this.#isLoadingOlder || olderCursor === null || size >= MOST_BACK) return;
    this.#isLoadingOlder = true;
    this.#tell();
    const { signal } = this.#leaving;
    this.#client
      .events<StreamEvent>(this.#filter, {
        journal: this.#journal,
        fields: FIELDS,
        signal,
        first: PAGE,
        after: olderCursor,
      })
      .then(
        ({ nodes, pageInfo }) => {
          this.#error = null;
          // What was let go meanwhile is read from another place on.
          if (this.store.olderCursor !== olderCursor) return;
          this.store.prepend(nodes, pageInfo.hasNextPage ? pageInfo.endCursor : null);
        },
        (error: Error) => {
          if (!signal.aborted) this.#error = error;
        },
      )
      .finally(() => {
        this.#isLoadingOlder = false;
        this.#tell();
      });
  };

  readonly #onArrival = (listener: (events: readonly StreamEvent[]) => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  #tellSoon(): void {
    const wait = this.store.rate(performance.now()) > CALM_ABOVE ? CALM_MS : 0;
    this.#drawing ??= window.setTimeout(() => {
      this.#drawing = null;
      this.#tell();
    }, wait);
    // The rate falls when nothing comes, which nobody tells.
    this.#calming ??= window.setTimeout(() => {
      this.#calming = null;
      if (this.store.rate(performance.now()) > 0) this.#tellSoon();
      else this.#tell();
    }, CALM_DOWN_MS);
  }

  #tell(): void {
    this.#version++;
    for (const reader of this.#readers) reader();
  }
}

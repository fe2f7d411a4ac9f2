/** What the benchmark tells a load process, and what that answers. Over the IPC channel of a child process. */
import type { Traffic } from './traffic.ts';

export interface Plan {
  readonly traffic: Traffic;
  /** Records events by GraphQL, or asks for frames that are ready. */
  readonly feeds: 'graphql' | 'ready';
  readonly feedPort: number;
  readonly feedToken: string;
  /** The subscription of all of them. */
  readonly query: string;
  /** One for each subscriber of the traffic. */
  readonly subscribers: readonly PlannedSubscriber[];
  /** Of a flood: events that are recorded by one request, and that are under way at a time. */
  readonly eventsARequest: number;
  readonly mostUnderWay: number;
  /** Without a delivery for so long, those that are missing are lost. */
  readonly patienceMs: number;
}

export interface PlannedSubscriber {
  readonly port: number;
  readonly token: string;
  readonly variables: object;
}

export type Order =
  /** Single events, several under way: as many requests as can be, so that what serves them is compiled. */
  | { readonly run: 'warm-up'; readonly seconds: number }
  /** Batches of events, as many under way as keep the server busy. */
  | { readonly run: 'flood'; readonly seconds: number }
  /** One event at a time: the next when all have the one before. */
  | { readonly run: 'turns'; readonly seconds: number }
  /** Single events at a fixed rate, whether the ones before have arrived or not. */
  | { readonly run: 'pace'; readonly seconds: number; readonly eventsPerSecond: number };

export interface Measured {
  readonly deliveries: number;
  readonly deliveriesPerSecond: number;
  /** From just before an event is sent to be recorded until a subscriber has it. Empty unless paced. */
  readonly latenciesMs: readonly number[];
  /** Share of one core that the load took. */
  readonly loadCpu: number;
  /** On average. */
  readonly frameBytes: number;
}

export type Answer =
  | { readonly ready: true }
  | { readonly measured: Measured }
  /** A delivery that is missing, doubled or out of order, or anything else after which figures mean nothing. */
  | { readonly problem: string };

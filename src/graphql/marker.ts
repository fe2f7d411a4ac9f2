/** Marking calls that are under way: one whose process is gone is recorded as lost. */
import { isAnonymous, type Principal } from '../access/principal.ts';
import { EventreeError } from '../base/errors.ts';
import { unauthenticated } from '../events/admit.ts';
import type { RecordEventInput } from '../events/draft.ts';
import { toEventId } from '../events/id.ts';
import type { ApiLease } from '../outbox/markers.ts';
import type { Author, Marker, PlacedEvent } from '../outbox/parcel.ts';
import { builder } from './builder.ts';
import type { Core } from './context.ts';
import { RecordEventInputType } from './event/record.ts';

const MOST_AT_ONCE = 1_000;
const RECORDER = 'A UUID that the recorder has made for itself. Each subject has recorders of its own.';
const LEASE =
  'For how long the recorder is taken for alive without a word of it, in milliseconds: 1,000 to 600,000.';

interface MarkerInput {
  readonly event: RecordEventInput;
  readonly waitsFor?: string | null | undefined;
  readonly depth: number;
}

interface OpenMarkersInput extends ApiLease {
  readonly markers: readonly MarkerInput[];
}

const MarkerInputType = builder.inputRef<MarkerInput>('MarkerInput').implement({
  description: 'A call, or what else is under way, that is to be known of if its process is gone.',
  fields: (t) => ({
    event: t.field({
      type: RecordEventInputType,
      required: true,
      description:
        'What is recorded then, e.g. a `call_lost`; without children. Recording an event under its id removes the marker, so it takes the id of the call.',
    }),
    waitsFor: t.id({
      description:
        'The id of what it is part of, which lies higher: it is not recorded while that is marked itself.',
    }),
    depth: t.int({
      required: true,
      defaultValue: 0,
      description:
        'How many lie above it, 1 or more where it waits for one: what lies higher is recorded first.',
    }),
  }),
});

const OpenMarkersInputType = builder.inputRef<OpenMarkersInput>('OpenMarkersInput').implement({
  description: 'What to mark, and for whom.',
  fields: (t) => ({
    recorder: t.id({ required: true, description: RECORDER }),
    leaseMs: t.int({ required: true, description: LEASE }),
    markers: t.field({
      type: [MarkerInputType],
      required: true,
      description: 'Up to 1,000. One that is open already stays as it is.',
    }),
  }),
});

interface OpenMarkers {
  readonly recorder: string;
  readonly open: number;
}

const OpenMarkersType = builder.objectRef<OpenMarkers>('OpenMarkers').implement({
  description: 'The markers of a recorder.',
  fields: (t) => ({
    recorder: t.exposeID('recorder', { description: 'Whose.' }),
    open: t.exposeInt('open', { description: 'How many are open.' }),
  }),
});

builder.mutationFields((t) => ({
  openMarkers: t.field({
    type: OpenMarkersType,
    description: `Marks calls before they begin, and renews the recorder's lease. A marker is removed when an event is
recorded under its id, or by \`closeMarkers\`. Once the lease has ended, what is still marked is recorded as it was given, by
who has marked it: evidence that the process is gone. All or none. Takes a token; each event must be one that may be recorded.`,
    args: { input: t.arg({ type: OpenMarkersInputType, required: true }) },
    resolve: async (_, { input }, { core, principal }) => {
      const author = await authorOf(principal, core);
      checkCount(input.markers);
      const markers = input.markers.map(toMarker);
      await core.recording.check(
        input.markers.map(({ event }) => event),
        principal,
      );
      await core.markers.open({ ...input, recorder: recorderId(input.recorder) }, markers, author);
      return answer(input.recorder, author, core);
    },
  }),
  renewMarkers: t.field({
    type: OpenMarkersType,
    description: 'Says that the recorder is alive: its markers stay open. Takes a token.',
    args: {
      recorder: t.arg.id({ required: true, description: RECORDER }),
      leaseMs: t.arg.int({ required: true, description: LEASE }),
    },
    resolve: async (_, { recorder, leaseMs }, { core, principal }) => {
      const author = await authorOf(principal, core);
      await core.markers.renew({ recorder: recorderId(recorder), leaseMs }, author);
      return answer(recorder, author, core);
    },
  }),
  closeMarkers: t.field({
    type: OpenMarkersType,
    description:
      'Removes markers of calls of which nothing is recorded. Those of other subjects, and those that are not open, are passed over. Takes a token.',
    args: {
      recorder: t.arg.id({ required: true, description: RECORDER }),
      ids: t.arg.idList({ required: true, description: 'Of their events; up to 1,000.' }),
    },
    resolve: async (_, { recorder, ids }, { core, principal }) => {
      const author = await authorOf(principal, core);
      checkCount(ids);
      const known = ids.map((id) => toEventId(String(id))).filter((id) => id !== null);
      await core.markers.close(recorderId(recorder), known, author);
      return answer(recorder, author, core);
    },
  }),
}));

/** @throws UNAUTHENTICATED for who has no token, or one that was revoked. */
async function authorOf(principal: Principal, core: Core): Promise<Author> {
  if (isAnonymous(principal)) throw unauthenticated();
  await core.registry.confirm(principal);
  const { subject, claims, issuedAt } = principal;
  return { subject, claims: [...claims], issuedAt };
}

async function answer(recorder: string, author: Author, { markers }: Core): Promise<OpenMarkers> {
  return { recorder, open: await markers.count(recorderId(recorder), author) };
}

function toMarker({ event, waitsFor, depth }: MarkerInput, index: number): Marker {
  const id = toEventId(event.id ?? '');
  if (id === null) throw badInput('The event of a marker has an id: the one of the call.', index);
  if (event.children != null && event.children.length > 0) {
    throw badInput('The event of a marker has no children: mark each by itself.', index);
  }
  const above = waitsFor == null ? null : toEventId(waitsFor);
  if (waitsFor != null && above === null) throw badInput('`waitsFor` is the id of an event.', index);
  if (above === id) throw badInput('A marker waits for another one, and not for itself.', index);
  if (depth < 0) throw badInput('`depth` is 0 or more.', index);
  if (above !== null && depth === 0) {
    throw badInput('What waits for another lies below it: its `depth` is 1 or more.', index);
  }
  return { id, event: { ...asSent(event), id }, waitsFor: above, depth };
}

/** The event as it came in, before its scalars were read. */
function asSent({ occurredAt, children: _, ...rest }: RecordEventInput): Omit<PlacedEvent, 'id'> {
  const said = { ...rest, occurredAt: occurredAt == null ? null : new Date(occurredAt).toISOString() };
  // Null says the same as nothing, to the API and in NewEvent where that allows it. What is made of entries has lost
  // its type; these are the input's own fields, as it came.
  return Object.fromEntries(
    Object.entries(said).filter(([, value]) => value != null),
  ) as unknown as PlacedEvent;
}

function recorderId(given: string): string {
  const id = toEventId(given);
  if (id === null) throw badInput('A recorder is named by a UUID, which it makes for itself.');
  return id;
}

function checkCount(items: readonly unknown[]): void {
  if (items.length <= MOST_AT_ONCE) return;
  throw new EventreeError('LIMIT_EXCEEDED', `At most ${MOST_AT_ONCE} markers at a time: send several.`);
}

function badInput(sentence: string, index?: number): EventreeError {
  return new EventreeError('BAD_USER_INPUT', sentence, index === undefined ? {} : { index });
}

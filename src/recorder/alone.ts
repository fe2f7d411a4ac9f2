/** Events that are part of no call: each is recorded by itself with its children, whatever scope runs. */
import type { NewEvent } from '../client/event.ts';
import type { Parcel, PlacedEvent } from '../outbox/parcel.ts';
import type { Queryable } from '../outbox/statement.ts';
import { draftNode, type Inherited } from './draft.ts';
import { RecorderError } from './errors.ts';
import type { Redactor } from './redact.ts';
import type { Sink } from './sink.ts';
import { treeOf } from './tree.ts';

export interface Alone {
  /** @param inherited what the event takes over where it does not say otherwise. */
  parcelOf(event: Omit<NewEvent, 'journal'>, inherited: Inherited, redactor: Redactor): Parcel;
  /** Hands it over, to wherever the sink has it wait. */
  write(parcel: Parcel, transaction?: Queryable): Promise<void>;
  /** @returns as a sink's `acknowledge`. @throws RecorderError UNRECORDED */
  acknowledge(parcel: Parcel, withinMs: number): Promise<boolean | null>;
}

export function createAlone(sink: Pick<Sink, 'write' | 'acknowledge'>): Alone {
  return {
    parcelOf({ parentId, ...event }, inherited, redactor) {
      const { events } = treeOf(draftNode('leaf', event, parentId ?? null, true, inherited, redactor));
      return { events, resources: [], waitsFor: null, depth: 0 };
    },
    async write(parcel, transaction) {
      await sink.write({ parcels: [parcel], ends: [], marks: [] }, transaction);
    },
    async acknowledge(parcel, withinMs) {
      try {
        return await sink.acknowledge(parcel, withinMs);
      } catch (cause) {
        const { type } = topOf(parcel);
        throw new RecorderError('UNRECORDED', `The event could not be recorded: ${type}.`, { cause });
      }
    },
  };
}

export function topOf({ events }: Parcel): PlacedEvent {
  // A parcel has one at least.
  return events[0] as PlacedEvent;
}

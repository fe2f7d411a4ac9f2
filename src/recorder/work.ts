/**
 * What of a recorder is for what is built on it, as actions on resources are, and for nobody else: how it redacts and
 * judges errors, and work that is under way without being a call.
 *
 *     begin ──room──▶ start ──▶ record … ──▶ done
 *
 * Such work is as a call is: it begins when there is room, what it brings is let in however full the buffer is by then,
 * and closing waits for it. Within a call or other work it asks for no room: that is held by what lies around it.
 */
import type { NewEvent } from '../client/event.ts';
import type { Parcel } from '../outbox/parcel.ts';
import type { Alone } from './alone.ts';
import { RecorderError } from './errors.ts';
import type { IsExpected } from './failure.ts';
import type { Recorder } from './recorder.ts';
import type { Redactor } from './redact.ts';
import type { GiveUp } from './room.ts';
import type { Sink } from './sink.ts';

export interface Work {
  /**
   * Records its first event, and waits until that is there.
   *
   * @returns as a sink's `acknowledge`. @throws RecorderError CLOSED, BUFFER_FULL: nothing was sent; UNRECORDED.
   */
  start(event: NewEvent, withinMs: number): Promise<boolean | null>;
  /** Hands over what it brings; the recorder goes on trying. It waits for room where it began without, and nothing was started. */
  record(event: NewEvent): Promise<void>;
  /** To be called once, at its end. */
  done(): void;
}

export interface Inside {
  readonly redactor: Redactor;
  readonly isExpected: IsExpected;
  /** @param isWithin whether a call or other work of the recorder is under way around it. */
  begin(isWithin: boolean): Work;
}

export const INSIDE = Symbol('inside');

export interface OwnRecorder extends Recorder {
  readonly [INSIDE]: Inside;
}

/** @throws RecorderError BAD_INPUT for what createRecorder has not made. */
export function insideOf(recorder: Recorder): Inside {
  // What createRecorder makes has it.
  const inside = (recorder as Partial<OwnRecorder>)[INSIDE];
  if (inside !== undefined) return inside;
  throw new RecorderError('BAD_INPUT', 'Actions are recorded by what createRecorder() has made.');
}

export interface WorkOptions {
  readonly sink: Pick<Sink, 'room'>;
  readonly alone: Pick<Alone, 'acknowledge' | 'write'>;
  readonly parcelOf: (event: NewEvent) => Parcel;
  readonly isClosed: () => boolean;
  readonly whenDone: () => void;
}

export function beginWork(options: WorkOptions, isWithin: boolean): Work {
  const { sink, alone, parcelOf, isClosed, whenDone } = options;
  let isLetIn = false;
  let giveUp: GiveUp | null = null;

  async function letIn(): Promise<void> {
    giveUp = await sink.room();
    isLetIn = true;
  }

  return {
    async start(event, withinMs) {
      if (!isWithin) {
        if (isClosed()) throw closed();
        await letIn();
      }
      const kept = await alone.acknowledge(parcelOf(event), withinMs);
      isLetIn = true;
      return kept;
    },
    async record(event) {
      const parcel = parcelOf(event);
      if (!isLetIn) await letIn();
      await alone.write(parcel);
    },
    done() {
      giveUp?.();
      whenDone();
    },
  };
}

export function closed(): RecorderError {
  return new RecorderError('CLOSED', 'The recorder has been closed.');
}

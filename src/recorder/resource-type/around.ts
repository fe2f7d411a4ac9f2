/** The action that runs, for what it calls to find: where its own events hang, and whose they are. */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { NewEvent } from '../../client/event.ts';
import type { OpenCall } from '../call.ts';
import type { Recorder } from '../recorder.ts';
import type { Place } from './place.ts';

/** Who does it, as part of what: the same on the start and the end. */
export type Envelope = Pick<
  NewEvent,
  'journal' | 'actor' | 'activeClaim' | 'sessionId' | 'correlationId' | 'visibleToActor'
>;

/** What is said of it where it is started; what is left out is as what lies around has it. */
export interface Said {
  readonly actor?: string;
  readonly activeClaim?: string;
  readonly session?: string;
  readonly correlationId?: string;
}

export interface Surroundings {
  /** For what stands below it, or is started there. */
  readonly place: Place;
  readonly envelope: Envelope;
}

/** An action whose function runs; what it calls finds it. */
interface Around extends Surroundings {
  readonly recorder: Recorder;
  /** That was running when it began. */
  readonly callId: string | null;
  isRunning: boolean;
}

const around = new AsyncLocalStorage<Around>();

/** Runs the function so that what it starts finds the action. */
export async function within<T>(
  recorder: Recorder,
  { place, envelope }: Surroundings,
  fn: () => T | Promise<T>,
): Promise<T> {
  const callId = recorder.current()?.call.id ?? null;
  const here: Around = { recorder, place, envelope, callId, isRunning: true };
  try {
    return await around.run(here, async () => await fn());
  } finally {
    here.isRunning = false;
  }
}

/** Whether a call or an action of the recorder is under way here. What goes on behind its end is not part of it. */
export function isWithin(recorder: Recorder): boolean {
  const found = around.getStore();
  return recorder.current() !== null || (found?.recorder === recorder && found.isRunning);
}

/** Where what is started now hangs, and what it takes from what runs: from the action or the call that began last. */
export function surroundings(recorder: Recorder, journal: string | undefined, said: Said): Surroundings {
  // What runs within a recorder of our own is what that has opened.
  const call = (recorder.current()?.call ?? null) as OpenCall | null;
  const found = around.getStore();
  const outer = found?.recorder === recorder ? found : null;
  const isInCall = call !== null && outer?.callId !== call.id;
  const inherited: Envelope = isInCall
    ? {
        actor: call.actor,
        activeClaim: call.inherited.activeClaim,
        sessionId: call.sessionId,
        correlationId: call.correlationId ?? call.id,
      }
    : (outer?.envelope ?? {});
  const { actor = inherited.actor, session: sessionId = inherited.sessionId } = said;
  const { correlationId = inherited.correlationId } = said;
  // Another actor has another claim.
  const { activeClaim = actor === inherited.actor ? inherited.activeClaim : undefined } = said;
  const place = outer !== null && outer.envelope.journal === journal ? outer.place : null;
  const envelope = { journal, actor, activeClaim, sessionId, correlationId, visibleToActor: true };
  return { place, envelope: defined(envelope) };
}

/** Without what is undefined, which would stand before what another layer has. */
export function defined<T extends object>(given: T): T {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as T;
}

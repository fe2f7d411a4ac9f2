/** The action that runs, for what it calls to find: where its own events hang, and whose they are. */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { NewEvent } from '../../client/event.ts';
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
}

const around = new AsyncLocalStorage<Around>();

/** Runs the function so that what it starts finds the action. */
export function within<T>(recorder: Recorder, { place, envelope }: Surroundings, fn: () => T): T {
  const callId = recorder.current()?.call.id ?? null;
  return around.run({ recorder, place, envelope, callId }, fn);
}

/** Where what is started now hangs, and what it takes from what runs: from the action or the call that began last. */
export function surroundings(recorder: Recorder, journal: string | undefined, said: Said): Surroundings {
  const call = recorder.current()?.call ?? null;
  const found = around.getStore();
  const outer = found?.recorder === recorder ? found : null;
  const isInCall = call !== null && outer?.callId !== call.id;
  const inherited: Envelope = isInCall
    ? { actor: call.actor, sessionId: call.sessionId, correlationId: call.correlationId ?? call.id }
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

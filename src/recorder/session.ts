/**
 * Sessions of an application's users: their creation, who signs in, and their end are events about
 * `session/<id>`; calls point to the session by its id.
 */
import { newId } from './id.ts';
import type { AddedEvent } from './scope.ts';

export interface SessionOptions {
  /**
   * By which events name it. Left out: made here. Events show it to who may see them: it must not be what the
   * session is known to the server by, as in a cookie.
   */
  readonly id?: string;
  readonly address?: string | null;
  readonly userAgent?: string | null;
  /** Who has it from the start: `user/jane`. */
  readonly actor?: string | null;
}

export interface Session {
  readonly id: string;
  /** Who has signed in; null before. Calls in the session are theirs where they do not say otherwise. */
  readonly actor: string | null;
  /** Records that somebody has signed in. */
  authenticated(actor: string): Promise<void>;
  /** Records that it is over. May be called more than once. */
  end(): Promise<void>;
}

export type RecordOne = (event: AddedEvent) => Promise<unknown>;

export async function openSession(
  record: RecordOne,
  { id = newId(), address, userAgent, actor: first = null }: SessionOptions,
): Promise<Session> {
  const about = { resource: `session/${id}`, sessionId: id };
  let actor = first;
  let isOver = false;
  const by = () => (actor === null ? {} : { actor });

  await record({
    type: 'create',
    ...about,
    ...by(),
    attributes: { values: { address: address ?? null, user_agent: userAgent ?? null } },
  });
  return {
    id,
    get actor() {
      return actor;
    },
    async authenticated(claim) {
      const old = actor;
      actor = claim;
      await record({
        type: 'update',
        ...about,
        ...by(),
        attributes: { attribute: 'authuser', old, new: claim },
      });
    },
    async end() {
      if (isOver) return;
      isOver = true;
      await record({ type: 'destroy', ...about, ...by() });
    },
  };
}

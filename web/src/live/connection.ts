/** The state of the stream as the reader is told it: never better than it is. */
import type { FollowState } from '../../../src/client/index.ts';

export type Connection =
  | { readonly is: 'connecting' }
  | { readonly is: 'live' }
  /** @property behind how many events are still to come; null where that is not known. */
  | { readonly is: 'catching-up'; readonly behind: number | null }
  /** @property retryAt when the next attempt is made. */
  | { readonly is: 'offline'; readonly why: string; readonly retryAt: number | null }
  | { readonly is: 'ended'; readonly error: Error };

export function connectionOf(state: FollowState, now: number): Connection {
  switch (state.state) {
    case 'connecting':
      return { is: 'connecting' };
    case 'catching-up':
      return { is: 'catching-up', behind: null };
    case 'live':
      return { is: 'live' };
    case 'lost':
      return { is: 'offline', why: state.reason.message, retryAt: now + state.retryInMs };
    case 'ended':
      return { is: 'ended', error: state.reason ?? new Error('The stream has ended.') };
  }
}

/** What a stream brings at a time. */
import type { ResourceRef } from '../access/resource-ref.ts';
import type { Position, SeenEvent } from '../events/event.ts';
import type { Journal } from '../events/journal.ts';

export interface Delivery {
  readonly journal: Journal;
  readonly events: readonly SeenEvent[];
  /** The reader has everything up to here. */
  readonly position: Position;
  /** False while catching up with what was recorded before. */
  readonly live: boolean;
  /** Set where what followed the asked-for position no longer exists. */
  readonly gap: { readonly oldest: Position } | null;
  /** Resources whose events the reader could see until here and no longer may. */
  readonly hidden: readonly ResourceRef[];
}

/** All that is asked of one event. */
import { gql } from 'urql';
import type { EventNode } from '../../../src/client/index.ts';
import type { Visibility } from './explain.ts';

export interface PanelEvent extends Omit<EventNode, 'cursor' | 'type' | 'resource' | 'parent'> {
  readonly type: { readonly name: string; readonly description: string | null };
  readonly resource: { readonly ref: string; readonly name: string | null } | null;
  readonly recordedBy: string;
  readonly visibility: Visibility;
  readonly parent: { readonly id: string; readonly message: string } | null;
  readonly children: { readonly totalCount: number };
}

export const PANEL = gql<{ event: PanelEvent | null }, { id: string }>`
  query EventPanel($id: ID!) {
    event(id: $id) {
      id
      journal
      type { name description }
      category
      severity
      message
      occurredAt
      recordedAt
      recordedBy
      actor
      activeClaim
      sessionId
      correlationId
      visibleToActor
      visibility
      resource { ref name }
      parent { id message }
      parentHidden
      attributes
      payload
      privatePayload
      children(first: 1) { totalCount }
    }
  }
`;

/** What is declared, how often it occurs, and how it is declared: as this screen asks for it. */
import { gql } from 'urql';
import type { Category, Severity } from '../../../src/client/index.ts';
import type { AttributeKind } from '../filter/event-filter.ts';

export interface EventType {
  readonly name: string;
  readonly description: string | null;
  readonly category: Category;
  readonly severity: Severity;
  readonly messageTemplate: string | null;
  readonly enabled: boolean;
  readonly attributes: readonly {
    readonly required: boolean;
    readonly attribute: { readonly name: string };
  }[];
}

export interface Attribute {
  readonly name: string;
  readonly description: string | null;
  readonly kind: AttributeKind;
  readonly indexed: boolean;
  readonly private: boolean;
}

export const KINDS: readonly AttributeKind[] = [
  'STRING',
  'INTEGER',
  'FLOAT',
  'BOOLEAN',
  'DATETIME',
  'RESOURCE',
  'JSON',
];

export const DECLARED = gql<{ eventTypes: EventType[]; attributes: Attribute[] }>`
  query Declared {
    eventTypes {
      name description category severity messageTemplate enabled
      attributes { required attribute { name } }
    }
    attributes { name description kind indexed private }
  }
`;

/** More types than these are not counted. */
export const MOST_COUNTED = 1_000;

export interface TypeCounts {
  readonly eventStatistics: {
    readonly facet: { readonly values: readonly { readonly value: string; readonly count: number }[] };
  };
}

export const TYPE_COUNTS = gql<TypeCounts, { journal: string }>`
  query TypeCounts($journal: String!) {
    eventStatistics(journal: $journal) { facet(by: TYPE, first: ${String(MOST_COUNTED)}) { values { value count } } }
  }
`;

export interface AttributeCounts {
  /** Null where it is not indexed. */
  readonly attributes: readonly { readonly name: string; readonly eventCount: number | null }[];
}

export const ATTRIBUTE_COUNTS = gql<AttributeCounts, { journal: string }>`
  query AttributeCounts($journal: String!) {
    attributes { name eventCount(journal: $journal) }
  }
`;

export interface DefineEventTypeInput extends Omit<EventType, 'attributes'> {
  readonly attributes: readonly ChosenAttribute[];
}

export interface ChosenAttribute {
  readonly name: string;
  readonly required: boolean;
}

export const DEFINE_TYPE = gql<{ defineEventType: { name: string } }, { input: DefineEventTypeInput }>`
  mutation DefineEventType($input: DefineEventTypeInput!) { defineEventType(input: $input) { name } }
`;

export const DEFINE_ATTRIBUTE = gql<{ defineAttribute: { name: string } }, { input: Attribute }>`
  mutation DefineAttribute($input: DefineAttributeInput!) { defineAttribute(input: $input) { name } }
`;

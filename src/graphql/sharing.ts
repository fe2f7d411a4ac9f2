/**
 * What of a selection may be said to several viewers in the same words. A field says of itself that its
 * value follows from the event and the level at which it is seen (`extensions: SHARED`); whoever adds a
 * field and says nothing gets one that is worked out for each set of claims.
 */
import {
  type DocumentNode,
  type FieldNode,
  type GraphQLSchema,
  getNamedType,
  getOperationAST,
  isObjectType,
  type OperationDefinitionNode,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from 'graphql';
import { planFor } from './execution.ts';

/** To be given as a field's `extensions`. */
export const SHARED = { sharedByLevel: true };

/** What holds an event, an ACL or a viewer: who asks decides what is seen of these. */
const PERSONAL = ['Event', 'EventConnection', 'EventEdge', 'Acl', 'Viewer'];
/** They hand on what has been judged for the viewer already. */
const CARRIERS = ['Subscription', 'EventStreamMessage'];

/** @throws where a field is declared to be shared that reaches what is personal. */
export function checkSharing(schema: GraphQLSchema): GraphQLSchema {
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || CARRIERS.includes(type.name)) continue;
    for (const field of Object.values(type.getFields())) {
      const reached = getNamedType(field.type).name;
      if (isShared(field.extensions) && PERSONAL.includes(reached)) {
        throw new Error(
          `${type.name}.${field.name} reaches ${reached} and must not be shared: take SHARED off.`,
        );
      }
    }
  }
  return schema;
}

export interface Selection {
  /** Whether all that is selected is shared. */
  readonly shared: boolean;
  /** Variables that the selection depends on; those of the stream's own arguments are not among them. */
  readonly variables: readonly string[];
  /** The document without the stream's arguments, which decide what is told and not how. */
  readonly document: DocumentNode;
}

const known = new WeakMap<OperationDefinitionNode, Selection>();

/** What a subscription selects, below its one field. */
export function selectionOf(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
): Selection {
  const before = known.get(operation);
  if (before !== undefined) return before;

  const types = new TypeInfo(schema);
  const variables = new Set<string>();
  let shared = true;
  const rootFields = new Set<FieldNode>();
  const seenBy = visitWithTypeInfo(types, {
    OperationDefinition: { enter: (node) => (node === operation ? undefined : false) },
    // Variables are declared here, and used elsewhere.
    VariableDefinition: { enter: () => false },
    Field: {
      enter(node) {
        if (types.getParentType() === schema.getSubscriptionType()) rootFields.add(node);
        const field = types.getFieldDef();
        if (field != null && !field.name.startsWith('__') && !isShared(field.extensions)) shared = false;
      },
    },
    Argument: {
      enter(_node, _key, _parent, _path, ancestors) {
        const owner = ancestors.at(-1);
        const isOfStream = !Array.isArray(owner) && rootFields.has(owner as FieldNode);
        return isOfStream ? false : undefined;
      },
    },
    Variable: {
      enter({ name }) {
        variables.add(name.value);
      },
    },
  });
  visit(document, seenBy);
  const withoutArguments = visit(document, {
    VariableDefinition: { enter: ({ variable }) => (variables.has(variable.name.value) ? undefined : null) },
    Field: { enter: (node) => (rootFields.has(node) ? { ...node, arguments: [] } : undefined) },
  });
  // What is not shared is mostly promised, and no plan could be kept.
  if (shared) {
    planFor(
      schema,
      withoutArguments,
      getOperationAST(withoutArguments, operation.name?.value) as typeof operation,
    );
  }
  const selection = { shared, variables: [...variables].sort(), document: withoutArguments };
  known.set(operation, selection);
  return selection;
}

function isShared(extensions: Readonly<Record<string, unknown>>): boolean {
  return extensions.sharedByLevel === true;
}

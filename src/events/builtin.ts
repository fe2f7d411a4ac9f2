/** Attributes and event types that every journal has. */
import { type Declarations, parseDeclarations } from './declaration.ts';

/** Recorded by the server itself where the ACL of a resource with events changes. */
export const ACL_CHANGE = 'acl_change';
/** Recorded by the server itself, in every journal, where tokens are revoked. */
export const TOKEN_REVOCATION = 'token_revocation';

/** What is known of a call whose process is gone: recorded for its marker. */
export const CALL_LOST = 'call_lost';

/** What streams and index take for a change of rights: the server alone records and declares it. */
export function isReserved(type: string): boolean {
  return type === ACL_CHANGE || type === TOKEN_REVOCATION;
}

export const BUILT_IN: Declarations = parseDeclarations({
  attributes: {
    attribute: { kind: 'STRING', description: 'Name of what was changed.' },
    old: { kind: 'JSON', indexed: false, description: 'Value before.' },
    new: { kind: 'JSON', indexed: false, description: 'Value after.' },
    values: { kind: 'JSON', indexed: false, description: 'All values, by name.' },
    function: { kind: 'STRING', description: 'Name of the function that was called.' },
    params: { kind: 'JSON', indexed: false, description: 'What it was called with.' },
    elapsed_ms: { kind: 'FLOAT', description: 'Wall-clock time from start to end, in milliseconds.' },
    result_length: {
      kind: 'INTEGER',
      indexed: false,
      description: 'Size of the result, in characters of JSON.',
    },
    error: { kind: 'STRING', description: 'Last part of the error’s name.' },
    error_value: { kind: 'JSON', indexed: false, description: 'What the error said.' },
    where: { kind: 'STRING', description: 'File and line that raised the error.' },
    stack: { kind: 'STRING', indexed: false, description: 'Stack of an unexpected error.' },
    mutex: { kind: 'STRING', description: 'Name of a mutex.' },
    watchdog: { kind: 'STRING', description: 'Name of the watchdog that expired.' },
    relation: { kind: 'STRING', description: 'Table of a database.' },
    row: { kind: 'STRING', indexed: false, description: 'Key of a row in its table.' },
    field: { kind: 'STRING', description: 'Column of a table.' },
    old_acl: { kind: 'JSON', indexed: false, description: 'ACL before.' },
    new_acl: { kind: 'JSON', indexed: false, description: 'ACL after.' },
    token_subject: { kind: 'STRING', description: 'Whose tokens were revoked.' },
    token_issued_before: {
      kind: 'DATETIME',
      indexed: false,
      description: 'The moment before which the revoked tokens were issued.',
    },
  },
  eventTypes: {
    create: {
      category: 'CRUD',
      description: 'A resource was created.',
      messageTemplate: '{actor} created {resource}',
      attributes: { values: {} },
    },
    update: {
      category: 'CRUD',
      description:
        'A resource was changed; one event for each attribute that changed, or one on top of them.',
      messageTemplate: '{actor} changed {attribute} of {resource}: {old} → {new}',
      attributes: { attribute: {}, old: {}, new: {} },
    },
    destroy: {
      category: 'CRUD',
      description: 'A resource was removed.',
      messageTemplate: '{actor} destroyed {resource}',
      attributes: { values: {} },
    },
    call: {
      category: 'CALL',
      severity: 'LOW',
      description: 'A request, job or function ran: the root of what happened as part of it.',
      messageTemplate: '{actor} called {function}',
      attributes: {
        function: {},
        params: {},
        elapsed_ms: {},
        result_length: {},
        error: {},
        error_value: {},
        where: {},
        stack: {},
      },
    },
    [CALL_LOST]: {
      category: 'ALARM',
      severity: 'HIGH',
      description: 'A call began, and its process ended or stood still before the call did.',
      messageTemplate: 'The call of {function} by {actor} was lost',
      attributes: { function: {}, params: {} },
    },
    watchdog: {
      category: 'ALARM',
      severity: 'HIGH',
      description: 'A watchdog of a mutex expired.',
      messageTemplate: 'The watchdog {watchdog} of {mutex} expired',
      attributes: { mutex: {}, watchdog: {} },
    },
    marker: {
      category: 'SYSTEM',
      severity: 'LOW',
      description: 'A place in the journal, to find it again.',
    },
    note: { category: 'USER', severity: 'LOW', description: 'What a person wanted to be remembered.' },
    row_insert: {
      category: 'CHANGE',
      severity: 'LOW',
      description: 'A row was inserted.',
      messageTemplate: 'Row {row} was inserted into {relation}',
      attributes: { relation: {}, row: {}, values: {} },
    },
    row_delete: {
      category: 'CHANGE',
      severity: 'LOW',
      description: 'A row was deleted.',
      messageTemplate: 'Row {row} was deleted from {relation}',
      attributes: { relation: {}, row: {}, values: {} },
    },
    field_update: {
      category: 'CHANGE',
      severity: 'LOW',
      description: 'A field of a row was changed.',
      messageTemplate: 'Field {field} of row {row} in {relation} was changed: {old} → {new}',
      attributes: { relation: {}, row: {}, field: {}, old: {}, new: {} },
    },
    [ACL_CHANGE]: {
      category: 'CHANGE',
      description: 'Who may see or change a resource was changed. Seen by who may see its ACL.',
      messageTemplate: '{actor} changed who may see or change {resource}',
      attributes: { old_acl: {}, new_acl: {} },
    },
    [TOKEN_REVOCATION]: {
      category: 'CHANGE',
      description: 'Tokens were revoked: what they say of their bearer no longer holds.',
      messageTemplate: '{actor} revoked the tokens of {token_subject}',
      attributes: { token_subject: {}, token_issued_before: {} },
    },
  },
});

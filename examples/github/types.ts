/**
 * What is declared before anything is recorded: the attributes, and an event type for each thing that the
 * tables in events/ can tell, named `github.<event>.<action>`. As `defineAttribute` and `defineEventType`
 * take them.
 */
import type { AttributeKind } from '../../src/events/attribute.ts';
import type { Category, Severity } from '../../src/events/event.ts';
import { ATTRIBUTES } from './attributes.ts';
import { ACCOUNTS } from './events/accounts.ts';
import { CHECKS } from './events/checks.ts';
import { CODE } from './events/code.ts';
import { type GitHubEvent, type GitHubEvents, NO_ACTION } from './events/event.ts';
import { ISSUES } from './events/issues.ts';
import { PULL_REQUESTS } from './events/pull-requests.ts';
import { REPOSITORIES } from './events/repositories.ts';
import { SECURITY } from './events/security.ts';

export const EVENTS: GitHubEvents = {
  ...CODE,
  ...ISSUES,
  ...PULL_REQUESTS,
  ...CHECKS,
  ...SECURITY,
  ...REPOSITORIES,
  ...ACCOUNTS,
};

export interface AttributeInput {
  readonly name: string;
  readonly kind: AttributeKind;
  readonly description: string;
  readonly indexed: boolean;
}

export interface EventTypeInput {
  readonly name: string;
  readonly category: Category;
  readonly severity: Severity;
  readonly messageTemplate: string;
  readonly attributes: readonly { readonly name: string; readonly required: boolean }[];
}

export function attributesToDeclare(): AttributeInput[] {
  return Object.entries(ATTRIBUTES).map(([name, attribute]) => ({ name, indexed: true, ...attribute }));
}

export function eventTypesToDeclare(): EventTypeInput[] {
  return Object.entries(EVENTS).flatMap(([event, entry]) =>
    Object.keys(entry.actions).map((action) => toEventType(event, entry, action)),
  );
}

/** e.g. `github.issues.opened`, and `github.push` where there is no action. */
export function typeName(event: string, action: string | null): string {
  return action === null || action === NO_ACTION ? `github.${event}` : `github.${event}.${action}`;
}

function toEventType(event: string, entry: GitHubEvent, action: string): EventTypeInput {
  const { message, severity = entry.severity ?? 'LOW' } = actionOf(entry, action);
  const names = Object.keys(entry.attributes);
  const required: readonly string[] = entry.required ?? [];
  return {
    name: typeName(event, action),
    category: entry.category,
    severity,
    messageTemplate: message,
    attributes: [
      ...(action === NO_ACTION ? [] : [{ name: 'action', required: true }]),
      ...names.map((name) => ({ name, required: required.includes(name) })),
    ],
  };
}

/** An action that has nothing of its own but a message is written as just that. */
export function actionOf(entry: GitHubEvent, action: string) {
  const own = entry.actions[action];
  if (own === undefined) throw new Error(`No table in events/ knows the action ${JSON.stringify(action)}.`);
  return typeof own === 'string' ? { message: own } : own;
}

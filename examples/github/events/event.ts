/**
 * What there is to say about one of GitHub's events, so that a table can say it: the event type of each of
 * its actions, and how a payload becomes an event of that type. The tables stand beside this file.
 */
import type { Category, Severity } from '../../../src/events/event.ts';
import type { AttributeName } from '../attributes.ts';
import { type Payload, read, type Source, text } from '../payloads.ts';

export interface GitHubEvent {
  readonly category: Category;
  /** Of its actions, unless they say otherwise; LOW where nothing is said. */
  readonly severity?: Severity;
  /** Of one payload, where it depends on what is in it; undefined: as its type has it. */
  readonly severityOf?: (payload: Payload) => Severity | undefined;
  /** When it happened: the first of these that the payload has. */
  readonly time: readonly Source[];
  /** What it is about, `type/id`; left out: the repository, else the organization. */
  readonly resource?: (payload: Payload) => string;
  readonly attributes: Attributes;
  /** Those without which the event would make no sense. */
  readonly required?: readonly AttributeName[];
  /** What each action has of its own; at least the template of its message. */
  readonly actions: Readonly<Record<string, string | Action>>;
}

export interface Action {
  readonly message: string;
  readonly severity?: Severity;
  readonly time?: readonly Source[];
}

export type Attributes = { readonly [Name in AttributeName]?: Source };

/** Stands in `actions` for the one thing that an event without actions tells. */
export const NO_ACTION = '';

/** By GitHub's name of the event. */
export type GitHubEvents = Readonly<Record<string, GitHubEvent>>;

// ── Times ────────────────────────────────────────────────────────────────────────────────────────────

/**
 * For events that carry no time of their own: the latest moment that the payload's repository knows of.
 * GitHub sent the payload just after it; most such events (a push, a star, a rename) are what moved it.
 */
export function repositoryTime(payload: Payload): string | undefined {
  const times = ['repository.created_at', 'repository.updated_at', 'repository.pushed_at']
    .map((path) => parseTime(read(payload, path)))
    .filter((time) => time !== undefined);
  return times.length === 0 ? undefined : new Date(Math.max(...times)).toISOString();
}

/**
 * For the few payloads that hold no time whatever (who left a team, who was blocked): they were recorded
 * along with most of the package, on Codertocat's two minutes from 2019-05-15T15:19:25Z. This is when the
 * repository and team of the organization Octocoders, which nearly all of them are about, were last touched.
 */
export function recordingTime(): string {
  return '2019-05-15T15:20:45.000Z';
}

/** Milliseconds since 1970, of RFC 3339 or of seconds since 1970, as GitHub's older events have them. */
export function parseTime(value: unknown): number | undefined {
  const time = typeof value === 'number' ? value * 1_000 : Date.parse(String(value ?? ''));
  return Number.isNaN(time) ? undefined : time;
}

/** Milliseconds from one moment to another, where both are known. */
export function elapsed(from: string, to: string): Source {
  return (payload) => {
    const [start, end] = [parseTime(read(payload, from)), parseTime(read(payload, to))];
    return start === undefined || end === undefined ? undefined : end - start;
  };
}

// ── Values ───────────────────────────────────────────────────────────────────────────────────────────

/** `main` of `refs/heads/main`; undefined for a tag. */
export function branchOf(path: string): Source {
  return (payload) => /^refs\/heads\/(.+)$/.exec(text(payload, path) ?? '')?.[1];
}

export function tagOf(path: string): Source {
  return (payload) => /^refs\/tags\/(.+)$/.exec(text(payload, path) ?? '')?.[1];
}

export function lengthOf(path: string): Source {
  return (payload) => {
    const value = read(payload, path);
    return Array.isArray(value) ? value.length : undefined;
  };
}

export function firstLineOf(path: string): Source {
  return (payload) => text(payload, path)?.split('\n', 1)[0];
}

/** `repository/Octocoders/Hello-World`, for attributes that name another repository. */
export function repositoryAt(path: string): Source {
  return (payload) => {
    const name = text(payload, `${path}.full_name`);
    return name === undefined ? undefined : `repository/${name}`;
  };
}

// ── Severities ───────────────────────────────────────────────────────────────────────────────────────

const FAILURES = new Set(['failure', 'error', 'errored', 'timed_out', 'startup_failure']);

/** HIGH where what ran has failed. */
export function highWhereFailed(path: string) {
  return (payload: Payload): Severity | undefined =>
    FAILURES.has(text(payload, path) ?? '') ? 'HIGH' : undefined;
}

/** GitHub grades vulnerabilities and findings of code scanning on scales of their own. */
const GRADES: Readonly<Record<string, Severity>> = {
  critical: 'CRITICAL',
  high: 'HIGH',
  moderate: 'HIGH',
  medium: 'HIGH',
  low: 'MEDIUM',
  error: 'CRITICAL',
  warning: 'HIGH',
  note: 'MEDIUM',
};

export function asGraded(path: string) {
  return (payload: Payload): Severity | undefined => GRADES[text(payload, path) ?? ''];
}

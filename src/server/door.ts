/** What every door of the server needs: who comes, what is run for them, and how errors are told. */
import {
  type ExecutionArgs,
  type FormattedExecutionResult,
  type GraphQLError,
  type GraphQLFormattedError,
  getOperationAST,
} from 'graphql';
import type { Authenticate } from '../access/authenticate.ts';
import type { Principal } from '../access/principal.ts';
import { EventreeError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { FormatError } from '../graphql/errors.ts';
import type { Policy } from '../graphql/policy.ts';
import type { Admission } from './admission.ts';
import type { KeepAlive } from './keep-alive.ts';
import type { Metrics } from './metrics.ts';

export interface Door {
  readonly authenticate: Authenticate;
  readonly policy: Policy;
  readonly formatError: FormatError;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly origins: OriginRules;
  readonly admission: Admission;
  readonly keepAlive: KeepAlive;
  readonly limits: DoorLimits;
  /** Fires when the server is about to stop: streams end, so that their clients go elsewhere. */
  readonly stopping: AbortSignal;
}

export interface DoorLimits {
  readonly maxRequestBytes: number;
  /** For `connection_init`. */
  readonly initTimeoutMs: number;
  /** Open at a time. */
  readonly maxSocketOperations: number;
  readonly maxSocketMessagesPerSecond: number;
}

export interface OriginRules {
  /** Other web sites whose pages may call this server. */
  readonly allowed: ReadonlySet<string>;
  /** Answer only to names of this machine: a page elsewhere could rebind its own name to 127.0.0.1. */
  readonly localOnly: boolean;
}

/**
 * Who comes, by what they show.
 *
 * @throws UNAUTHENTICATED; UNAVAILABLE where tokens cannot be checked, which is for the operator to mend.
 */
export async function identify(door: Door, authorization: unknown): Promise<Principal> {
  try {
    return await door.authenticate(authorization);
  } catch (error) {
    if (error instanceof EventreeError && error.code === 'UNAVAILABLE') {
      door.logger.warn({ error: messageOf(error.cause) }, 'tokens cannot be checked');
    }
    throw error;
  }
}

/** Whether it is answered by a stream of messages. */
export function isSubscription({ document, operationName }: ExecutionArgs): boolean {
  return getOperationAST(document, operationName)?.operation === 'subscription';
}

/** The result as it is sent. */
export function formatResult(
  result: { readonly errors?: readonly GraphQLError[] | undefined; readonly data?: unknown },
  format: (error: unknown) => GraphQLFormattedError,
): FormattedExecutionResult {
  const { errors } = result;
  return (
    errors === undefined ? result : { ...result, errors: errors.map(format) }
  ) as FormattedExecutionResult;
}

/** Puts an error into words and counts it. */
export function createFormat({ formatError, metrics }: Pick<Door, 'formatError' | 'metrics'>): FormatError {
  return (error, requestId) => {
    const formatted = formatError(error, requestId);
    metrics.errors.inc({ code: String(formatted.extensions?.code) });
    return formatted;
  };
}

/** Whether a request that names this host may be answered. */
export function isHostAllowed({ localOnly }: OriginRules, host: string | undefined): boolean {
  if (!localOnly) return true;
  return host !== undefined && /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i.test(host);
}

/** Whether a page of this origin may call. Programs send none. */
export function isOriginAllowed(
  rules: OriginRules,
  origin: string | undefined,
  host: string | undefined,
): boolean {
  if (origin === undefined) return true;
  if (rules.allowed.has(origin)) return true;
  return URL.canParse(origin) && host !== undefined && new URL(origin).host === host;
}

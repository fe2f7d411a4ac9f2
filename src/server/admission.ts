/**
 * How many connections that stay, WebSockets and SSE streams, are let in: so many from one network address,
 * and so many of one principal. Whoever has as many as they may comes back later; nobody is put out for
 * somebody new.
 *
 * Counted by each server for itself. Without a token there is no principal to count: `group/anonymous` is
 * everybody, and one stranger could take all of it.
 */
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP, isIPv6 } from 'node:net';
import { isAnonymous, type Principal } from '../access/principal.ts';
import { EventreeError } from '../base/errors.ts';

export interface AdmissionLimits {
  readonly maxAddressConnections: number;
  readonly maxPrincipalConnections: number;
  /** Addresses and networks, e.g. `10.0.0.0/8`, whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[];
}

/** What is open until it emits `close`. */
interface Connection {
  once(event: 'close', listener: () => void): unknown;
}

export interface Admission {
  /** Counts a connection until it closes. @returns false where its address has as many as it may. */
  fromAddress(request: IncomingMessage, connection: Connection): boolean;
  /** Likewise for the principal. */
  asPrincipal(principal: Principal, connection: Connection): boolean;
}

export const RETRY_AFTER_SECONDS = 5;
export const TOO_MANY_CONNECTIONS = new EventreeError(
  'RATE_LIMITED',
  'Too many connections are open from this address or with this `sub`: try again later.',
  { retryAfterMs: RETRY_AFTER_SECONDS * 1_000 },
);

export function createAdmission(limits: AdmissionLimits): Admission {
  const addresses = createCounter(limits.maxAddressConnections);
  const principals = createCounter(limits.maxPrincipalConnections);
  const isTrusted = createCheck(limits.trustedProxies);
  return {
    fromAddress: (request, connection) => addresses(networkOf(addressOf(request, isTrusted)), connection),
    asPrincipal: (principal, connection) =>
      isAnonymous(principal) || principals(principal.subject, connection),
  };
}

function createCounter(most: number): (key: string, connection: Connection) => boolean {
  const open = new Map<string, number>();
  return (key, connection) => {
    const count = open.get(key) ?? 0;
    if (count >= most) return false;
    open.set(key, count + 1);
    connection.once('close', () => {
      const left = (open.get(key) as number) - 1;
      if (left === 0) open.delete(key);
      else open.set(key, left);
    });
    return true;
  };
}

/**
 * Where a request comes from: the peer, or, where that is a proxy we trust, who it says its own peer was,
 * and so on. What stands further left in X-Forwarded-For was written by strangers.
 */
function addressOf(request: IncomingMessage, isTrusted: (address: string) => boolean): string {
  let address = plain(request.socket.remoteAddress ?? '');
  const hops = String(request.headers['x-forwarded-for'] ?? '').split(',');
  while (isTrusted(address)) {
    const before = plain((hops.pop() ?? '').trim());
    if (isIP(before) === 0) break;
    address = before;
  }
  return address;
}

function createCheck(networks: readonly string[]): (address: string) => boolean {
  const trusted = new BlockList();
  for (const network of networks) {
    const [address = '', bits] = network.split('/');
    if (bits === undefined) trusted.addAddress(address, familyOf(address));
    else trusted.addSubnet(address, Number(bits), familyOf(address));
  }
  return (address) => isIP(address) !== 0 && trusted.check(address, familyOf(address));
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv6(address) ? 'ipv6' : 'ipv4';
}

/** An IPv4 address as such, also where a socket for both versions has it as ::ffff:10.0.0.1. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '');
}

/** One customer has a whole /64 of IPv6 addresses to come from. */
function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [left = [], right = []] = address
    .replace(/%.*/, '')
    .split('::')
    .map((part) => (part === '' ? [] : part.split(':')));
  const zeros = Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0');
  const groups = [...left, ...zeros, ...right].slice(0, 4);
  return groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':');
}

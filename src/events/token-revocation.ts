/**
 * Revokes the tokens of a subject that were issued before a moment, and gives the revocation its place in every
 * journal: what is recorded after it is not shown to who comes with one of them.
 *
 * One transaction, in this order:
 *   1. the row of `installation` is locked: no journal is created meanwhile, and nothing else is declared or
 *      revoked;
 *   2. the revocation is written and the registry's version counted up, by which every read and every append is
 *      judged: from the commit on, one by a revoked token is refused on every node, as soon as it is tried;
 *   3. an event of type `token_revocation` is appended to each journal, under the journal's lock. It has no
 *      resource, so it is seen by who has revoked and by group/admin.
 * A journal that is created later needs no such event: all of it comes after the revocation.
 */
import type pg from 'pg';
import type { Claim } from '../access/claim.ts';
import { isAdmin, type Principal } from '../access/principal.ts';
import { checkToken, type TokenRevocation } from '../access/revocation.ts';
import { EventreeError } from '../base/errors.ts';
import { TOKEN_REVOCATION } from './builtin.ts';
import type { Event } from './event.ts';
import type { Journal } from './journal.ts';
import { appendOwn, type Changed, commitChange, type OwnEventOptions } from './own-event.ts';
import type { Announcement } from './record.ts';

/**
 * @returns what is in force then: of two revocations of a subject the one of the later moment.
 * @throws FORBIDDEN without group/admin; BAD_USER_INPUT for a subject that has no tokens, or a moment that has
 *   not come.
 */
export type RevokeTokens = (
  subject: Claim,
  issuedBefore: number | null,
  principal: Principal,
) => Promise<TokenRevocation>;

const TOKEN_SUBJECT = /^user\//;

/** @returns revokes tokens; without a moment, those that were issued before now. */
export function createTokenRevocation(options: OwnEventOptions): RevokeTokens {
  const { registry, limits } = options;

  return async (subject, issuedBefore, principal) => {
    if (!isAdmin(principal)) {
      throw new EventreeError('FORBIDDEN', 'Revoking tokens takes the claim group/admin.');
    }
    if (!TOKEN_SUBJECT.test(subject)) {
      throw new EventreeError('BAD_USER_INPUT', 'Tokens are those of a user, as in user/jane.');
    }
    const nowMs = Date.now();
    // Nothing takes a revocation back: one of the year 3000 would lock the subject out until then.
    if (issuedBefore !== null && issuedBefore > nowMs + limits.maxClockSkewMs) {
      throw new EventreeError('BAD_USER_INPUT', 'issuedBefore lies in the future.');
    }
    const revocation = { subject, issuedBefore: issuedBefore ?? nowMs };
    const inForce = await commitChange(options, (client) => revoke(client, revocation, principal));
    await registry.refresh();
    return inForce;
  };

  async function revoke(
    client: pg.PoolClient,
    revocation: TokenRevocation,
    principal: Principal,
  ): Promise<Changed<TokenRevocation>> {
    const { subject, issuedBefore } = revocation;
    await client.query('select from installation for update');
    const known = await findRevocations(client, [subject, principal.subject]);
    checkToken(principal, known);
    const before = known.get(subject) ?? 0;
    if (before >= issuedBefore) return { result: { subject, issuedBefore: before }, announcements: [] };

    const registryVersion = await writeRevocation(client, revocation);
    const input = {
      type: TOKEN_REVOCATION,
      attributes: {
        token_subject: subject,
        token_issued_before: new Date(issuedBefore).toISOString(),
      },
    };
    // Its type is the server's own and the same in every version of the registry.
    const event = { input, acl: null, principal, registry: registry.current(), registryVersion };
    const announcements: Announcement[] = [];
    for (const journal of await allJournals(client)) {
      announcements.push(await appendOwn(client, { journal, ...event }, options));
    }
    return { result: revocation, announcements };
  }
}

/** What such an event tells. Written here and nowhere else: the door refuses the type. */
export function revocationOf({ attributes }: Event): TokenRevocation {
  const { token_subject, token_issued_before } = attributes as Record<string, string>;
  return { subject: token_subject as Claim, issuedBefore: Date.parse(token_issued_before as string) };
}

async function findRevocations(
  client: pg.PoolClient,
  subjects: readonly Claim[],
): Promise<Map<Claim, number>> {
  const { rows } = await client.query<{ subject: Claim; issued_before: Date }>(
    'select subject, issued_before from token_revocation where subject = any($1)',
    [subjects],
  );
  return new Map(rows.map((row) => [row.subject, row.issued_before.getTime()]));
}

/** @returns the version of the registry that it comes in force with. */
async function writeRevocation(
  client: pg.PoolClient,
  { subject, issuedBefore }: TokenRevocation,
): Promise<number> {
  const { rows } = await client.query<{ version: number }>(
    `with next as (
       update installation set registry_version = registry_version + 1 returning registry_version
     ), written as (
       insert into token_revocation (subject, issued_before, registry_version)
       select $1, $2, registry_version from next
       on conflict (subject) do update
         set issued_before = excluded.issued_before, registry_version = excluded.registry_version
     )
     select registry_version as version from next`,
    [subject, new Date(issuedBefore)],
  );
  return (rows[0] as { version: number }).version;
}

/** In one order for everybody who takes the locks of several. */
async function allJournals(client: pg.PoolClient): Promise<Journal[]> {
  const { rows } = await client.query<Journal>('select id, name, epoch from journal order by id');
  return rows;
}

/** Why somebody sees an event, as the server explains it, in words. Pure. */

/** How much of an event is seen: nothing, its envelope, attributes and payload too, private parts too. */
export type Visibility = 'NONE' | 'ENVELOPE' | 'DATA' | 'PRIVATE';

export interface Explanation {
  readonly level: Visibility;
  readonly reasons: readonly Reason[];
  /** For each level that is not reached: of which claims one would be enough; group/admin always is. */
  readonly missing: readonly { readonly level: Visibility; readonly claims: readonly string[] }[];
}

export interface Reason {
  readonly claim: string;
  /** A list of the resource's ACL, `actor`, or `admin`. */
  readonly right: string;
  readonly level: Visibility;
}

export const EXPLAIN = `query ($id: ID!, $claims: [Claim!]!) {
  explainVisibility(id: $id, claims: $claims) { level reasons { claim right level } missing { level claims } }
}`;

/** `user/jane, group/staff`: by commas or spaces. */
export function claimsIn(text: string): string[] {
  return [...new Set(text.split(/[\s,;]+/).filter((word) => word !== ''))];
}

const SEEN: Readonly<Record<Visibility, string>> = {
  NONE: 'nothing of the event',
  ENVELOPE: 'the envelope, without attributes and payload',
  DATA: 'the event with attributes and payload, without private parts',
  PRIVATE: 'all of the event, private parts too',
};

const FOR: Readonly<Record<Visibility, string>> = {
  NONE: 'nothing',
  ENVELOPE: 'the envelope',
  DATA: 'attributes and payload',
  PRIVATE: 'private parts',
};

/** `user/jane, group/staff sees the envelope, …, because group/staff has viewMeta.` */
export function seenSentence(claims: readonly string[], { level, reasons }: Explanation): string {
  const said = `${claims.join(' with ')} sees ${SEEN[level]}`;
  // What gives less than another reason does is not why.
  const why = reasons.filter((reason) => reason.level === level);
  return why.length === 0 ? `${said}.` : `${said}, because ${why.map(causeOf).join(' and ')}.`;
}

function causeOf({ claim, right }: Reason): string {
  if (right === 'admin') return `${claim} sees everything`;
  if (right === 'actor') return `${claim} is its actor`;
  if (right === 'owners') return `${claim} is an owner`;
  return `${claim} has ${right}`;
}

/** `For attributes and payload it would take one of: group/x, user/y.` */
export function missingSentences({ missing }: Explanation): string[] {
  return missing.map(
    ({ level, claims }) =>
      `For ${FOR[level]} it would take ${claims.length === 1 ? '' : 'one of: '}${claims.join(', ')}.`,
  );
}

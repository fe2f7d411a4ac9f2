/** Changing an ACL: what an edit comes to, who would lose what, and who has a right through another one. */
import { describe, expect, it } from 'vitest';
import { NOBODY, RIGHTS } from '../../src/access/acl.ts';
import { parseClaim } from '../../src/access/claim.ts';
import {
  applied,
  claimFault,
  type Edit,
  effective,
  implied,
  lost,
  sightOf,
  withEdit,
} from '../../web/src/resource/acl-edit.ts';
import type { AclLists } from '../../web/src/resource/resource.ts';

const aclOf = (lists: Partial<AclLists>): AclLists => ({ ...NOBODY, ...lists });
const ACL = aclOf({ owners: ['user/jane'], viewData: ['group/staff'], editAcl: ['group/leads'] });

const give = (right: Edit['right'], claim: string): Edit => ({ right, claim, isGiven: true });
const take = (right: Edit['right'], claim: string): Edit => ({ right, claim, isGiven: false });

describe('edits', () => {
  it('give and take claims and leave the rest as it stands', () => {
    const after = applied(ACL, [give('viewData', 'user/bob'), take('viewData', 'group/staff')]);
    expect(after).toEqual({ ...ACL, viewData: ['user/bob'] });
  });

  it('send every list, so that none is emptied by being left out', () => {
    expect(Object.keys(applied(ACL, [])).sort()).toEqual([...RIGHTS].sort());
  });

  it('come to nothing where a claim is given and taken again', () => {
    const edits = withEdit(withEdit([], give('viewMeta', 'user/bob')), take('viewMeta', 'user/bob'));
    expect(effective(ACL, edits)).toEqual([]);
    expect(applied(ACL, edits)).toEqual(ACL);
  });

  it('stand on what somebody else has changed meanwhile', () => {
    const theirs = { ...ACL, viewData: ['group/staff', 'user/eve'], viewMeta: ['user/bob'] };
    const edits = [take('viewData', 'group/staff'), give('viewMeta', 'user/bob')];
    expect(applied(theirs, edits)).toEqual({ ...theirs, viewData: ['user/eve'] });
    expect(effective(theirs, edits)).toEqual([take('viewData', 'group/staff')]);
  });
});

describe('a claim', () => {
  it.each(['user/jane', 'group/staff', 'service-account/a b', 'user/ä/ö', `user/${'x'.repeat(295)}`])(
    'is taken as the server takes it: %s',
    (claim) => {
      expect(claimFault(claim)).toBeNull();
      expect(parseClaim(claim)).toBe(claim);
    },
  );

  it.each(['jane', 'user/', 'User/jane', 'user/ jane', '/x', 'user/a\nb', `user/${'x'.repeat(296)}`])(
    'is refused as the server refuses it: %j',
    (claim) => {
      expect(claimFault(claim)).toMatch(/claim/);
      expect(() => parseClaim(claim)).toThrow();
    },
  );
});

describe('rights', () => {
  it('that one would lose oneself are told, those that come with others too', () => {
    const after = applied(ACL, [take('editAcl', 'group/leads'), give('viewData', 'group/leads')]);
    const losing = lost(['user/bob', 'group/leads'], ACL, after);
    expect(losing).toEqual(['viewAcl', 'editMeta', 'editData', 'editAcl', 'manage', 'delete']);
  });

  it('are not lost by who keeps them through another claim', () => {
    const after = applied(ACL, [take('editAcl', 'group/leads')]);
    expect(lost(['user/jane', 'group/leads'], ACL, after)).toEqual([]);
  });

  it('that come with others are told by which', () => {
    expect(implied(ACL, 'viewMeta')).toEqual([
      { claim: 'user/jane', through: 'owners' },
      { claim: 'group/staff', through: 'viewData' },
      { claim: 'group/leads', through: 'editAcl' },
    ]);
    expect(implied(ACL, 'owners')).toEqual([]);
    expect(implied(aclOf({ owners: ['user/jane'], viewMeta: ['user/jane'] }), 'viewMeta')).toEqual([]);
  });

  it('tell who sees what in the end, most first', () => {
    const acl = aclOf({ ...ACL, viewMeta: ['group/anonymous', 'group/staff'], manage: ['user/nobody'] });
    expect(sightOf(acl)).toEqual([
      { claim: 'user/jane', level: 3, seesAcl: true },
      { claim: 'group/leads', level: 2, seesAcl: true },
      { claim: 'group/staff', level: 2, seesAcl: false },
      { claim: 'group/anonymous', level: 1, seesAcl: false },
    ]);
  });
});

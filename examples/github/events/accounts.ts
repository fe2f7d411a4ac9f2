/** Organizations and people, the apps they install, what they pay for. */
import { type Payload, text } from '../payloads.ts';
import { type GitHubEvents, lengthOf, NO_ACTION, recordingTime, repositoryTime } from './event.ts';

const INSTALLATION = { account: 'installation.account.login', app_id: 'installation.app_id' } as const;

export const ACCOUNTS: GitHubEvents = {
  organization: {
    category: 'CHANGE',
    severity: 'MEDIUM',
    time: ['invitation.created_at', recordingTime],
    attributes: {
      member: ['membership.user.login', 'user.login'],
      role: ['membership.role', 'invitation.role'],
      old: 'changes.login.from',
    },
    actions: {
      member_added: '{actor} added {member} to {resource} ({role})',
      member_invited: '{actor} invited {member} to {resource} ({role})',
      renamed: { message: '{actor} renamed {old} to {resource}', severity: 'HIGH' },
    },
  },
  org_block: {
    category: 'CHANGE',
    severity: 'HIGH',
    time: [recordingTime],
    attributes: { member: 'blocked_user.login' },
    required: ['member'],
    actions: {
      blocked: '{actor} blocked {member}',
      unblocked: { message: '{actor} no longer blocks {member}', severity: 'MEDIUM' },
    },
  },
  team: {
    category: 'CHANGE',
    severity: 'MEDIUM',
    time: [repositoryTime, recordingTime],
    attributes: { team: 'team.name', permission: 'team.permission' },
    required: ['team'],
    actions: {
      created: '{actor} created the team {team}',
      edited: '{actor} edited the team {team}',
      deleted: '{actor} deleted the team {team}',
      added_to_repository: '{actor} gave the team {team} access to {resource} ({permission})',
      removed_from_repository: '{actor} took access to {resource} from the team {team}',
    },
  },
  membership: {
    category: 'CHANGE',
    severity: 'MEDIUM',
    time: [recordingTime],
    attributes: { member: 'member.login', team: 'team.name' },
    required: ['member', 'team'],
    actions: {
      added: '{actor} added {member} to the team {team}',
      removed: '{actor} removed {member} from the team {team}',
    },
  },
  installation: {
    category: 'SYSTEM',
    severity: 'MEDIUM',
    time: ['installation.updated_at'],
    resource: installation,
    attributes: { ...INSTALLATION, repositories: lengthOf('repositories') },
    actions: {
      created: { message: '{actor} installed app {app_id} for {account}', time: ['installation.created_at'] },
      deleted: { message: '{actor} removed app {app_id} of {account}', severity: 'HIGH' },
      suspend: {
        message: '{actor} suspended app {app_id} of {account}',
        severity: 'HIGH',
        time: ['installation.suspended_at'],
      },
      unsuspend: '{actor} let app {app_id} of {account} go on',
      new_permissions_accepted: '{actor} accepted what app {app_id} of {account} asks for',
    },
  },
  installation_repositories: {
    category: 'SYSTEM',
    severity: 'MEDIUM',
    time: ['installation.updated_at'],
    resource: installation,
    attributes: {
      ...INSTALLATION,
      target: (payload) => {
        const name = text(payload, ['repositories_added.0.full_name', 'repositories_removed.0.full_name']);
        return name === undefined ? undefined : `repository/${name}`;
      },
    },
    actions: {
      added: '{actor} gave app {app_id} access to {target}',
      removed: '{actor} took access to {target} from app {app_id}',
    },
  },
  github_app_authorization: {
    category: 'CHANGE',
    severity: 'MEDIUM',
    time: [recordingTime],
    resource: (payload) => `user/${text(payload, 'sender.login')}`,
    attributes: {},
    actions: { revoked: '{actor} took back the authorization of an app' },
  },
  ping: {
    category: 'SYSTEM',
    time: ['hook.updated_at'],
    attributes: { hook_id: 'hook_id', zen: 'zen' },
    required: ['hook_id'],
    actions: { [NO_ACTION]: 'Webhook {hook_id} is set up. {zen}' },
  },
  meta: {
    category: 'SYSTEM',
    severity: 'MEDIUM',
    time: ['hook.updated_at'],
    attributes: { hook_id: 'hook_id' },
    required: ['hook_id'],
    actions: { deleted: '{actor} deleted webhook {hook_id}' },
  },
  marketplace_purchase: {
    category: 'ACTION',
    time: ['effective_date'],
    resource: ({ marketplace_purchase: purchase }) => {
      const [type, login] = ['account.type', 'account.login'].map((path) => text(purchase as Payload, path));
      return `${type?.toLowerCase()}/${login}`;
    },
    attributes: {
      plan: 'marketplace_purchase.plan.name',
      price_cents: 'marketplace_purchase.plan.monthly_price_in_cents',
      units: 'marketplace_purchase.unit_count',
      effective_at: 'effective_date',
      old: 'previous_marketplace_purchase.plan.name',
    },
    required: ['plan'],
    actions: {
      purchased: '{actor} purchased {plan} for {resource}',
      changed: '{actor} changed the purchase of {plan} for {resource}: now {units} units',
      cancelled: { message: '{actor} cancelled {plan} of {resource}', severity: 'MEDIUM' },
    },
  },
  sponsorship: {
    category: 'ACTION',
    time: ['sponsorship.created_at'],
    resource: (payload) => `user/${text(payload, 'sponsorship.sponsorable.login')}`,
    attributes: {
      plan: 'sponsorship.tier.name',
      price_cents: 'sponsorship.tier.monthly_price_in_cents',
      effective_at: 'effective_date',
      old: 'changes.tier.from.name',
    },
    required: ['plan'],
    actions: {
      created: '{actor} sponsors {resource} with {plan}',
      // The tier that is left for another is the last thing that was made before.
      pending_tier_change: {
        message: '{actor} will sponsor {resource} with {plan} instead of {old}',
        time: ['changes.tier.from.created_at'],
      },
    },
  },
};

function installation(payload: Payload): string {
  return `installation/${(payload.installation as Payload | undefined)?.id}`;
}

/** Repositories themselves: their life, their settings, who likes them. */
import { type GitHubEvents, NO_ACTION, repositoryAt, repositoryTime } from './event.ts';

export const REPOSITORIES: GitHubEvents = {
  repository: {
    category: 'CHANGE',
    severity: 'MEDIUM',
    time: [repositoryTime],
    attributes: {
      old: [
        'changes.repository.name.from',
        'changes.owner.from.user.login',
        'changes.owner.from.organization.login',
        'changes.description.from',
        'changes.default_branch.from',
      ],
    },
    actions: {
      created: { message: '{actor} created {resource}', time: ['repository.created_at'] },
      edited: '{actor} edited {resource}',
      renamed: '{actor} renamed {old} to {resource}',
      transferred: { message: '{actor} transferred {resource} from {old}', severity: 'HIGH' },
      publicized: { message: '{actor} made {resource} public', severity: 'HIGH' },
      privatized: '{actor} made {resource} private',
    },
  },
  public: {
    category: 'CHANGE',
    severity: 'HIGH',
    time: [repositoryTime],
    attributes: {},
    actions: { [NO_ACTION]: '{actor} opened {resource} to the public' },
  },
  repository_import: {
    category: 'SYSTEM',
    time: [repositoryTime],
    attributes: { state: 'status' },
    actions: { [NO_ACTION]: 'The import into {resource} ended: {state}' },
  },
  branch_protection_rule: {
    category: 'CHANGE',
    severity: 'MEDIUM',
    time: ['rule.updated_at'],
    attributes: { branch: 'rule.name' },
    required: ['branch'],
    actions: {
      created: '{actor} protected the branch {branch}',
      edited: '{actor} changed the protection of the branch {branch}',
      deleted: { message: '{actor} ended the protection of the branch {branch}', severity: 'HIGH' },
    },
  },
  deploy_key: {
    category: 'CHANGE',
    severity: 'HIGH',
    time: ['key.created_at'],
    attributes: { title: 'key.title', read_only: 'key.read_only' },
    actions: { created: '{actor} added the deploy key {title}' },
  },
  fork: {
    category: 'ACTION',
    time: ['forkee.created_at'],
    attributes: { target: repositoryAt('forkee'), forks: 'repository.forks_count' },
    required: ['target'],
    actions: { [NO_ACTION]: '{actor} forked {resource} to {target}' },
  },
  star: {
    category: 'ACTION',
    time: ['starred_at', repositoryTime],
    attributes: { stars: 'repository.stargazers_count' },
    actions: {
      created: '{actor} starred {resource}',
      deleted: '{actor} took back a star from {resource}',
    },
  },
  watch: {
    category: 'ACTION',
    time: [repositoryTime],
    attributes: { stars: 'repository.stargazers_count' },
    actions: { started: '{actor} watches {resource}' },
  },
  member: {
    category: 'CHANGE',
    severity: 'MEDIUM',
    time: [repositoryTime],
    attributes: { member: 'member.login', old: 'changes.old_permission.from' },
    required: ['member'],
    actions: {
      added: '{member} became a collaborator of {resource}',
      edited: '{actor} changed what {member} may do in {resource}; until now: {old}',
    },
  },
  team_add: {
    category: 'CHANGE',
    severity: 'MEDIUM',
    time: [repositoryTime],
    attributes: { team: 'team.name', permission: 'team.permission' },
    required: ['team'],
    actions: { [NO_ACTION]: '{actor} gave the team {team} access to {resource} ({permission})' },
  },
};

/** Commits, branches, tags, and what is made of them. */
import { text } from '../payloads.ts';
import {
  branchOf,
  firstLineOf,
  type GitHubEvents,
  lengthOf,
  NO_ACTION,
  repositoryTime,
  tagOf,
} from './event.ts';

export const CODE: GitHubEvents = {
  push: {
    category: 'ACTION',
    // A push that deletes has no commit.
    time: ['head_commit.timestamp', repositoryTime],
    attributes: {
      ref: 'ref',
      branch: branchOf('ref'),
      tag: tagOf('ref'),
      sha: (payload) => text(payload, payload.deleted ? 'before' : 'after'),
      change: ({ created, deleted, forced }) =>
        created ? 'created' : deleted ? 'deleted' : forced ? 'forced' : 'updated',
      forced: 'forced',
      commits: lengthOf('commits'),
      title: firstLineOf('head_commit.message'),
    },
    required: ['ref', 'change'],
    actions: { [NO_ACTION]: '{actor} pushed to {ref}: {change}' },
  },
  create: {
    category: 'ACTION',
    time: [repositoryTime],
    attributes: { ref: 'ref', ref_type: 'ref_type' },
    required: ['ref', 'ref_type'],
    actions: { [NO_ACTION]: '{actor} created the {ref_type} {ref}' },
  },
  delete: {
    category: 'ACTION',
    severity: 'MEDIUM',
    time: [repositoryTime],
    attributes: { ref: 'ref', ref_type: 'ref_type' },
    required: ['ref', 'ref_type'],
    actions: { [NO_ACTION]: '{actor} deleted the {ref_type} {ref}' },
  },
  commit_comment: {
    category: 'USER',
    time: ['comment.created_at'],
    attributes: { sha: 'comment.commit_id', path: 'comment.path', comment: 'comment.body' },
    actions: { created: '{actor} commented on a commit: {comment}' },
  },
  merge_group: {
    category: 'STATE',
    time: ['merge_group.head_commit.timestamp'],
    attributes: {
      base: branchOf('merge_group.base_ref'),
      ref: 'merge_group.head_ref',
      sha: 'merge_group.head_sha',
      title: firstLineOf('merge_group.head_commit.message'),
    },
    actions: { checks_requested: 'Checks were requested before merging into {base}: {title}' },
  },
  release: {
    category: 'ACTION',
    // The `created_at` of a release is the time of its commit.
    time: ['release.published_at', 'release.created_at'],
    attributes: {
      tag: 'release.tag_name',
      title: 'release.name',
      branch: 'release.target_commitish',
      draft: 'release.draft',
      prerelease: 'release.prerelease',
    },
    required: ['tag'],
    actions: {
      created: '{actor} created release {tag}',
      edited: '{actor} edited release {tag}',
      deleted: { message: '{actor} deleted release {tag}', severity: 'MEDIUM' },
      prereleased: '{actor} published {tag} as a pre-release',
      published: { message: '{actor} published release {tag}', severity: 'MEDIUM' },
      released: { message: '{actor} released {tag}', severity: 'MEDIUM' },
    },
  },
  package: {
    category: 'CRUD',
    time: ['package.updated_at'],
    attributes: {
      package: 'package.name',
      version: 'package.package_version.version',
      ecosystem: 'package.package_type',
      tag: 'package.package_version.tag_name',
    },
    required: ['package'],
    actions: {
      published: { message: '{actor} published {package} {version} ({ecosystem})', severity: 'MEDIUM' },
    },
  },
  gollum: {
    category: 'USER',
    time: [repositoryTime],
    attributes: { title: 'pages.0.title', change: 'pages.0.action', pages: lengthOf('pages') },
    actions: { [NO_ACTION]: '{actor} {change} the wiki page {title}' },
  },
};

/** Pull requests and their reviews. */
import type { GitHubEvents } from './event.ts';

const PULL_REQUEST = {
  number: 'pull_request.number',
  title: 'pull_request.title',
  branch: 'pull_request.head.ref',
  base: 'pull_request.base.ref',
  sha: 'pull_request.head.sha',
} as const;

export const PULL_REQUESTS: GitHubEvents = {
  pull_request: {
    category: 'ACTION',
    time: ['pull_request.updated_at'],
    attributes: {
      ...PULL_REQUEST,
      state: 'pull_request.state',
      draft: 'pull_request.draft',
      merged: 'pull_request.merged',
      commits: 'pull_request.commits',
      additions: 'pull_request.additions',
      deletions: 'pull_request.deletions',
      changed_files: 'pull_request.changed_files',
      label: 'label.name',
      assignee: 'assignee.login',
      reviewer: ['requested_reviewer.login', 'requested_team.name'],
      reason: 'pull_request.active_lock_reason',
    },
    required: ['number', 'title'],
    actions: {
      opened: {
        message: '{actor} opened pull request #{number}: {title}',
        time: ['pull_request.created_at'],
      },
      closed: {
        message: '{actor} closed pull request #{number}: {title}',
        time: ['pull_request.closed_at'],
      },
      reopened: '{actor} reopened pull request #{number}: {title}',
      synchronize: '{actor} pushed to pull request #{number}: {title}',
      converted_to_draft: '{actor} made pull request #{number} a draft: {title}',
      ready_for_review: '{actor} asked for reviews of pull request #{number}: {title}',
      review_requested: '{actor} asked {reviewer} to review pull request #{number}: {title}',
      review_request_removed: '{actor} no longer asks {reviewer} to review pull request #{number}: {title}',
      assigned: '{actor} assigned pull request #{number} to {assignee}: {title}',
      unassigned: '{actor} took {assignee} off pull request #{number}: {title}',
      labeled: '{actor} labeled pull request #{number} {label}: {title}',
      unlabeled: '{actor} took the label {label} off pull request #{number}: {title}',
      locked: '{actor} locked pull request #{number}: {title}',
      unlocked: '{actor} unlocked pull request #{number}: {title}',
    },
  },
  pull_request_review: {
    category: 'USER',
    time: ['review.submitted_at'],
    attributes: {
      ...PULL_REQUEST,
      sha: 'review.commit_id',
      state: 'review.state',
      reviewer: 'review.user.login',
      comment: 'review.body',
    },
    required: ['number'],
    actions: {
      submitted: '{actor} reviewed pull request #{number} ({state}): {title}',
      dismissed: {
        message: '{actor} dismissed the review of pull request #{number} by {reviewer}: {title}',
        severity: 'MEDIUM',
        time: ['pull_request.updated_at'],
      },
    },
  },
  pull_request_review_comment: {
    category: 'USER',
    time: ['comment.updated_at'],
    attributes: {
      ...PULL_REQUEST,
      sha: 'comment.commit_id',
      path: 'comment.path',
      comment: 'comment.body',
    },
    required: ['number'],
    actions: {
      created: {
        message: '{actor} commented on {path} in pull request #{number}: {comment}',
        time: ['comment.created_at'],
      },
      edited: '{actor} edited a comment on {path} in pull request #{number}: {comment}',
      deleted: {
        message: '{actor} deleted a comment on {path} in pull request #{number}: {comment}',
        severity: 'MEDIUM',
      },
    },
  },
  pull_request_review_thread: {
    category: 'USER',
    time: ['pull_request.updated_at'],
    attributes: {
      ...PULL_REQUEST,
      path: 'thread.comments.0.path',
      comment: 'thread.comments.0.body',
    },
    required: ['number'],
    actions: {
      resolved: '{actor} resolved a conversation on {path} in pull request #{number}: {comment}',
      unresolved: '{actor} reopened a conversation on {path} in pull request #{number}: {comment}',
    },
  },
};

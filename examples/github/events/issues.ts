/** What people plan and talk about: issues, discussions, labels, milestones and project boards. */
import { type Action, type GitHubEvents, repositoryAt, repositoryTime } from './event.ts';

const ISSUE = {
  number: 'issue.number',
  title: 'issue.title',
  state: 'issue.state',
} as const;

const DISCUSSION = {
  number: 'discussion.number',
  title: 'discussion.title',
  state: 'discussion.state',
  discussion_category: 'discussion.category.name',
} as const;

export const ISSUES: GitHubEvents = {
  issues: {
    category: 'ACTION',
    time: ['issue.updated_at'],
    attributes: {
      ...ISSUE,
      label: 'label.name',
      assignee: 'assignee.login',
      milestone: ['milestone.title', 'issue.milestone.title'],
      reason: 'issue.active_lock_reason',
      target: repositoryAt('changes.new_repository'),
    },
    required: ['number', 'title'],
    actions: {
      opened: { message: '{actor} opened issue #{number}: {title}', time: ['issue.created_at'] },
      edited: '{actor} edited issue #{number}: {title}',
      deleted: { message: '{actor} deleted issue #{number}: {title}', severity: 'MEDIUM' },
      reopened: '{actor} reopened issue #{number}: {title}',
      assigned: '{actor} assigned issue #{number} to {assignee}: {title}',
      unassigned: '{actor} took {assignee} off issue #{number}: {title}',
      labeled: '{actor} labeled issue #{number} {label}: {title}',
      unlabeled: '{actor} took the label {label} off issue #{number}: {title}',
      milestoned: '{actor} added issue #{number} to milestone {milestone}: {title}',
      demilestoned: '{actor} took issue #{number} out of milestone {milestone}: {title}',
      locked: '{actor} locked issue #{number} ({reason}): {title}',
      unlocked: '{actor} unlocked issue #{number}: {title}',
      pinned: '{actor} pinned issue #{number}: {title}',
      unpinned: '{actor} unpinned issue #{number}: {title}',
      transferred: { message: '{actor} moved issue #{number} to {target}: {title}', severity: 'MEDIUM' },
    },
  },
  issue_comment: {
    category: 'USER',
    time: ['comment.updated_at'],
    attributes: { ...ISSUE, comment: 'comment.body' },
    required: ['number'],
    actions: commentActions('issue'),
  },
  discussion: {
    category: 'USER',
    time: ['discussion.updated_at'],
    attributes: { ...DISCUSSION, label: 'label.name', target: repositoryAt('changes.new_repository') },
    required: ['number', 'title'],
    actions: {
      created: {
        message: '{actor} started discussion #{number}: {title}',
        time: ['discussion.created_at'],
      },
      edited: '{actor} edited discussion #{number}: {title}',
      answered: {
        message: '{actor} chose an answer in discussion #{number}: {title}',
        time: ['discussion.answer_chosen_at', 'discussion.updated_at'],
      },
      unanswered: '{actor} took back the answer in discussion #{number}: {title}',
      category_changed: '{actor} moved discussion #{number} to {discussion_category}: {title}',
      labeled: '{actor} labeled discussion #{number} {label}: {title}',
      unlabeled: '{actor} took the label {label} off discussion #{number}: {title}',
      locked: '{actor} locked discussion #{number}: {title}',
      unlocked: '{actor} unlocked discussion #{number}: {title}',
      pinned: '{actor} pinned discussion #{number}: {title}',
      transferred: {
        message: '{actor} moved discussion #{number} to {target}: {title}',
        severity: 'MEDIUM',
      },
    },
  },
  discussion_comment: {
    category: 'USER',
    // Editing or deleting a comment touches the discussion, not the comment.
    time: ['discussion.updated_at'],
    attributes: { ...DISCUSSION, comment: 'comment.body' },
    required: ['number'],
    actions: commentActions('discussion'),
  },
  label: {
    category: 'CRUD',
    time: [repositoryTime],
    attributes: { label: 'label.name' },
    required: ['label'],
    actions: {
      created: '{actor} created the label {label}',
      edited: '{actor} edited the label {label}',
      deleted: '{actor} deleted the label {label}',
    },
  },
  milestone: {
    category: 'CRUD',
    time: ['milestone.updated_at'],
    attributes: {
      number: 'milestone.number',
      milestone: 'milestone.title',
      state: 'milestone.state',
      due_on: 'milestone.due_on',
    },
    required: ['milestone'],
    actions: {
      created: '{actor} created milestone {milestone}',
      closed: { message: '{actor} closed milestone {milestone}', time: ['milestone.closed_at'] },
      deleted: { message: '{actor} deleted milestone {milestone}', severity: 'MEDIUM' },
    },
  },
  project: {
    category: 'CRUD',
    time: ['project.updated_at'],
    attributes: { number: 'project.number', title: 'project.name', state: 'project.state' },
    actions: { created: '{actor} created the project board {title}' },
  },
  project_column: {
    category: 'CRUD',
    time: ['project_column.updated_at'],
    attributes: { title: 'project_column.name' },
    actions: {
      created: '{actor} created the project column {title}',
      edited: '{actor} edited the project column {title}',
    },
  },
  project_card: {
    category: 'CRUD',
    time: ['project_card.updated_at'],
    attributes: {
      // A card without a note of its own stands for an issue.
      title: ['project_card.note', 'project_card.content_url'],
    },
    actions: {
      created: '{actor} created a project card: {title}',
      moved: '{actor} moved a project card: {title}',
      deleted: '{actor} deleted a project card: {title}',
    },
  },
  projects_v2_item: {
    category: 'CRUD',
    time: ['projects_v2_item.updated_at'],
    attributes: { content_type: 'projects_v2_item.content_type' },
    actions: {
      created: '{actor} added an item to a project ({content_type})',
      edited: '{actor} edited an item of a project ({content_type})',
      converted: '{actor} turned an item of a project into another ({content_type})',
      reordered: '{actor} moved an item of a project ({content_type})',
      archived: '{actor} archived an item of a project ({content_type})',
      restored: '{actor} restored an item of a project ({content_type})',
    },
  },
};

function commentActions(what: string): Record<string, Action> {
  return {
    created: {
      message: `{actor} commented on ${what} #{number}: {comment}`,
      time: ['comment.created_at'],
    },
    edited: { message: `{actor} edited a comment on ${what} #{number}: {comment}` },
    deleted: { message: `{actor} deleted a comment on ${what} #{number}: {comment}`, severity: 'MEDIUM' },
  };
}

/**
 * The attributes of GitHub's events. An attribute is declared once for all event types: `number` has the
 * same kind in an issue and in an alert, so that one filter finds both.
 */
import type { AttributeKind } from '../../src/events/attribute.ts';

interface AttributeDeclaration {
  readonly kind: AttributeKind;
  readonly description: string;
  /** Whether filters on it are answered by an index. Text that nobody looks up by its value needs none. */
  readonly indexed?: boolean;
}

export const ATTRIBUTES = {
  // What it is
  action: { kind: 'STRING', description: 'What was done, in GitHub’s word.' },
  number: { kind: 'INTEGER', description: 'Number in its repository, e.g. of an issue or pull request.' },
  title: { kind: 'STRING', description: 'Title, or the first line of a commit’s message.' },
  state: { kind: 'STRING', description: 'Where it stands; the conclusion of what has ended.' },
  reason: { kind: 'STRING', description: 'Why it was locked, closed or dismissed.' },
  change: { kind: 'STRING', description: 'What a push did to its ref, or an edit to a page.' },
  target: { kind: 'RESOURCE', description: 'The repository it led to: the fork, the new home.' },

  // Code
  ref: { kind: 'STRING', description: 'Branch or tag, as GitHub names it.' },
  ref_type: { kind: 'STRING', description: 'branch or tag.' },
  branch: { kind: 'STRING', description: 'Branch it happened on.' },
  base: { kind: 'STRING', description: 'Branch that is to be merged into.' },
  tag: { kind: 'STRING', description: 'Tag in Git.' },
  sha: { kind: 'STRING', description: 'Commit it is about. The correlationId of the event, too.' },
  path: { kind: 'STRING', description: 'File in the repository.' },
  commits: { kind: 'INTEGER', description: 'Number of commits.' },
  forced: { kind: 'BOOLEAN', description: 'Whether a push rewrote history.' },
  pages: { kind: 'INTEGER', description: 'Number of wiki pages that were changed.' },

  // Issues and pull requests
  label: { kind: 'STRING', description: 'Label that was added or taken away.' },
  assignee: { kind: 'STRING', description: 'Login of who it was assigned to.' },
  reviewer: { kind: 'STRING', description: 'Login of who reviews, or is asked to.' },
  milestone: { kind: 'STRING', description: 'Title of the milestone.' },
  due_on: { kind: 'DATETIME', description: 'When the milestone is due.' },
  comment: { kind: 'STRING', indexed: false, description: 'What was written.' },
  discussion_category: { kind: 'STRING', description: 'Category of the discussion.' },
  content_type: { kind: 'STRING', description: 'What an item of a project stands for.' },
  draft: { kind: 'BOOLEAN', description: 'Whether it is a draft.' },
  merged: { kind: 'BOOLEAN', description: 'Whether the pull request was merged.' },
  additions: { kind: 'INTEGER', description: 'Lines added.' },
  deletions: { kind: 'INTEGER', description: 'Lines deleted.' },
  changed_files: { kind: 'INTEGER', description: 'Files changed.' },

  // What runs
  check: { kind: 'STRING', description: 'Name of a check, or context of a status.' },
  app: { kind: 'STRING', description: 'Name of the app that checks.' },
  workflow: { kind: 'STRING', description: 'Name of the workflow.' },
  job: { kind: 'STRING', description: 'Name of the job.' },
  run_id: { kind: 'INTEGER', description: 'The workflow run: jobs of one run share it.' },
  run_number: {
    kind: 'INTEGER',
    description: 'How many runs of the workflow there were, this one included.',
  },
  run_attempt: { kind: 'INTEGER', description: 'How often this run was started.' },
  trigger: { kind: 'STRING', description: 'GitHub’s event that started the run.' },
  runner: { kind: 'STRING', description: 'Machine that the job ran on.' },
  environment: { kind: 'STRING', description: 'Environment that is deployed to.' },
  conclusion: { kind: 'STRING', description: 'How it ended: success, failure, …' },

  // Releases and packages
  prerelease: { kind: 'BOOLEAN', description: 'Whether it is a pre-release.' },
  package: { kind: 'STRING', description: 'Name of the package.' },
  version: { kind: 'STRING', description: 'Version, or range of versions that are affected.' },
  ecosystem: { kind: 'STRING', description: 'npm, pip, …' },

  // Security
  rule: { kind: 'STRING', description: 'Rule of code scanning that was broken.' },
  tool: { kind: 'STRING', description: 'Tool that found it.' },
  grade: { kind: 'STRING', description: 'How severe it is, in GitHub’s word.' },
  ghsa: { kind: 'STRING', description: 'Number of the advisory at GitHub.' },
  cve: { kind: 'STRING', description: 'Number of the vulnerability.' },
  cvss: { kind: 'FLOAT', description: 'Score of the vulnerability, 0 to 10.' },

  // People, teams, apps
  member: { kind: 'STRING', description: 'Login of who was added, removed, invited or blocked.' },
  role: { kind: 'STRING', description: 'What the member is.' },
  team: { kind: 'STRING', description: 'Name of the team.' },
  permission: { kind: 'STRING', description: 'What a team may do: pull, push, admin.' },
  read_only: { kind: 'BOOLEAN', description: 'Whether a deploy key may read only.' },
  stars: { kind: 'INTEGER', description: 'Stars of the repository afterwards.' },
  forks: { kind: 'INTEGER', description: 'Forks of the repository.' },
  account: { kind: 'STRING', description: 'Login of the account that an app is installed for.' },
  app_id: { kind: 'INTEGER', description: 'Number of the app.' },
  repositories: { kind: 'INTEGER', description: 'Number of repositories the app was installed for.' },
  hook_id: { kind: 'INTEGER', description: 'Number of the webhook.' },
  zen: { kind: 'STRING', indexed: false, description: 'A piece of wisdom from GitHub.' },
  plan: { kind: 'STRING', description: 'What was bought or is sponsored.' },
  price_cents: { kind: 'INTEGER', description: 'Price of the plan per month, in US cents.' },
  units: { kind: 'INTEGER', description: 'How many of the plan were bought.' },
  effective_at: { kind: 'DATETIME', description: 'From when on it holds.' },
} as const satisfies Readonly<Record<string, AttributeDeclaration>>;

/** Attributes that Eventree has by itself and that mean the same here. */
type BuiltIn = 'old' | 'elapsed_ms';

export type AttributeName = keyof typeof ATTRIBUTES | BuiltIn;

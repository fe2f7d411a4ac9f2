/**
 * Which events are part of which, as far as the payloads themselves say so: a relation holds where a number
 * in the one is the number of the other. Where the other is not among the payloads there is no parent.
 */
import { timeOf } from './mapping.ts';
import { type Delivery, read } from './payloads.ts';
import { typeName } from './types.ts';

interface Relation {
  /** Event, or event and action, of the part. */
  readonly child: string;
  /** Where the part names the whole. */
  readonly names: string;
  readonly parent: string;
  /** Where the whole has its own number. */
  readonly number: string;
}

const RELATIONS: readonly Relation[] = [
  {
    child: 'workflow_job',
    names: 'workflow_job.run_id',
    parent: 'workflow_run.requested',
    number: 'workflow_run.id',
  },
  // In the package, jobs had their run's number replaced by another; its node id was left to them.
  {
    child: 'workflow_job',
    names: 'workflow_job.node_id',
    parent: 'workflow_run.requested',
    number: 'workflow_run.node_id',
  },
  {
    child: 'workflow_run.completed',
    names: 'workflow_run.id',
    parent: 'workflow_run.requested',
    number: 'workflow_run.id',
  },
  { child: 'check_run', names: 'check_run.check_suite.id', parent: 'check_suite', number: 'check_suite.id' },
  { child: 'deployment_status', names: 'deployment.id', parent: 'deployment', number: 'deployment.id' },
  {
    child: 'pull_request_review',
    names: 'pull_request.id',
    parent: 'pull_request.opened',
    number: 'pull_request.id',
  },
  {
    child: 'pull_request_review_comment',
    names: 'comment.pull_request_review_id',
    parent: 'pull_request_review.submitted',
    number: 'review.id',
  },
  {
    child: 'pull_request_review_thread',
    names: 'thread.comments.0.pull_request_review_id',
    parent: 'pull_request_review.submitted',
    number: 'review.id',
  },
  { child: 'issue_comment', names: 'issue.id', parent: 'issues.opened', number: 'issue.id' },
  {
    child: 'discussion_comment',
    names: 'discussion.id',
    parent: 'discussion.created',
    number: 'discussion.id',
  },
];

/** A delivery and what is part of it. */
export interface Tree {
  readonly delivery: Delivery;
  readonly children: Tree[];
}

/** All deliveries, each in its place: roots and siblings in order of time. */
export function growTrees(deliveries: readonly Delivery[]): Tree[] {
  const trees = deliveries
    .map((delivery) => ({ delivery, children: [] as Tree[], time: timeOf(delivery) }))
    .sort((a, b) => a.time - b.time);
  const treeOf = new Map<Delivery, Tree>(trees.map((tree) => [tree.delivery, tree]));
  return trees.filter((tree) => {
    const parent = parentOf(tree.delivery, deliveries);
    if (parent === undefined) return true;
    treeOf.get(parent)?.children.push(tree);
    return false;
  });
}

export function countEvents(tree: Tree): number {
  return tree.children.reduce((sum, child) => sum + countEvents(child), 1);
}

function parentOf(child: Delivery, deliveries: readonly Delivery[]): Delivery | undefined {
  for (const relation of RELATIONS.filter((relation) => isOf(relation.child, child))) {
    const number = read(child.payload, relation.names);
    if (number === undefined) continue;
    const candidates = deliveries.filter(
      (delivery) => isOf(relation.parent, delivery) && read(delivery.payload, relation.number) === number,
    );
    // The package has the same happening as several subscribers were told of it: each keeps to its own.
    const parent = candidates.find((candidate) => haveSameSubscriber(candidate, child)) ?? candidates[0];
    if (parent !== undefined) return parent;
  }
  return undefined;
}

/** `issues` covers `issues.opened`, and does not cover `issues_other`. */
function isOf(name: string, { event, action }: Delivery): boolean {
  return event === name || typeName(event, action) === `github.${name}`;
}

function haveSameSubscriber(a: Delivery, b: Delivery): boolean {
  return ['organization.login', 'installation.id'].every(
    (path) => read(a.payload, path) === read(b.payload, path),
  );
}

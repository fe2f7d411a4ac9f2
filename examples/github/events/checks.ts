/** What runs: checks, workflows, deployments. `state` is the conclusion of what has ended. */
import { branchOf, elapsed, type GitHubEvents, highWhereFailed, NO_ACTION, repositoryTime } from './event.ts';

const RUN = {
  run_id: 'workflow_run.id',
  run_number: 'workflow_run.run_number',
  run_attempt: 'workflow_run.run_attempt',
  trigger: 'workflow_run.event',
  branch: 'workflow_run.head_branch',
  sha: 'workflow_run.head_sha',
} as const;

export const CHECKS: GitHubEvents = {
  check_suite: {
    category: 'STATE',
    time: ['check_suite.updated_at'],
    severityOf: highWhereFailed('check_suite.conclusion'),
    attributes: {
      app: 'check_suite.app.name',
      branch: 'check_suite.head_branch',
      sha: 'check_suite.head_sha',
      state: ['check_suite.conclusion', 'check_suite.status'],
      conclusion: 'check_suite.conclusion',
    },
    actions: {
      requested: 'Checks of {app} were requested on {branch}',
      rerequested: '{actor} asked for the checks of {app} on {branch} again',
      completed: 'Checks of {app} on {branch} ended: {state}',
    },
  },
  check_run: {
    category: 'STATE',
    time: ['check_run.completed_at', 'check_run.started_at'],
    severityOf: highWhereFailed('check_run.conclusion'),
    attributes: {
      check: 'check_run.name',
      app: 'check_run.app.name',
      branch: 'check_run.check_suite.head_branch',
      sha: 'check_run.head_sha',
      state: ['check_run.conclusion', 'check_run.status'],
      conclusion: 'check_run.conclusion',
      elapsed_ms: elapsed('check_run.started_at', 'check_run.completed_at'),
    },
    required: ['check'],
    actions: {
      created: 'Check {check} on {branch} is {state}',
      completed: 'Check {check} on {branch} ended: {state}',
      requested_action: '{actor} asked check {check} on {branch} for an action',
      rerequested: '{actor} asked for check {check} on {branch} again',
    },
  },
  status: {
    category: 'STATE',
    time: ['updated_at'],
    severityOf: highWhereFailed('state'),
    attributes: { check: 'context', branch: 'branches.0.name', sha: 'sha', state: 'state' },
    actions: { [NO_ACTION]: 'Status {check} on {branch}: {state}' },
  },
  workflow_dispatch: {
    category: 'ACTION',
    time: [repositoryTime],
    attributes: { workflow: 'workflow', ref: 'ref', branch: branchOf('ref') },
    actions: { [NO_ACTION]: '{actor} started {workflow} on {ref}' },
  },
  repository_dispatch: {
    category: 'ACTION',
    time: [repositoryTime],
    attributes: { branch: 'branch' },
    // The action is what the sender calls it: other senders will want other event types.
    actions: { 'on-demand-test': '{actor} asked for {action} on {branch}' },
  },
  workflow_run: {
    category: 'STATE',
    time: ['workflow_run.updated_at'],
    severityOf: highWhereFailed('workflow_run.conclusion'),
    attributes: {
      ...RUN,
      // The run's own name is empty where it was made anonymous.
      workflow: ['workflow_run.name', 'workflow.name'],
      state: ['workflow_run.conclusion', 'workflow_run.status'],
      conclusion: 'workflow_run.conclusion',
    },
    required: ['workflow', 'run_id'],
    actions: {
      requested: {
        message: '{workflow} #{run_number} was requested on {branch}',
        time: ['workflow_run.created_at'],
      },
      completed: '{workflow} #{run_number} on {branch} ended: {state}',
    },
  },
  workflow_job: {
    category: 'STATE',
    time: ['workflow_job.started_at'],
    severityOf: highWhereFailed('workflow_job.conclusion'),
    attributes: {
      job: 'workflow_job.name',
      workflow: 'workflow_job.workflow_name',
      run_id: 'workflow_job.run_id',
      run_attempt: 'workflow_job.run_attempt',
      branch: 'workflow_job.head_branch',
      sha: 'workflow_job.head_sha',
      runner: 'workflow_job.runner_name',
      environment: 'deployment.environment',
      state: ['workflow_job.conclusion', 'workflow_job.status'],
      conclusion: 'workflow_job.conclusion',
      elapsed_ms: elapsed('workflow_job.started_at', 'workflow_job.completed_at'),
    },
    required: ['job', 'run_id'],
    actions: {
      queued: { message: 'Job {job} is queued', time: ['workflow_job.created_at'] },
      waiting: { message: 'Job {job} waits for its approval', time: ['workflow_job.created_at'] },
      in_progress: 'Job {job} started on {runner}',
      completed: { message: 'Job {job} on {runner} ended: {state}', time: ['workflow_job.completed_at'] },
    },
  },
  deployment: {
    category: 'STATE',
    severity: 'MEDIUM',
    time: ['deployment.created_at'],
    attributes: {
      environment: 'deployment.environment',
      ref: 'deployment.ref',
      sha: 'deployment.sha',
      workflow: 'workflow_run.name',
      run_id: 'workflow_run.id',
    },
    required: ['environment'],
    actions: { created: '{actor} deploys {ref} to {environment}' },
  },
  deployment_status: {
    category: 'STATE',
    time: ['deployment_status.updated_at'],
    severityOf: highWhereFailed('deployment_status.state'),
    attributes: {
      environment: 'deployment_status.environment',
      ref: 'deployment.ref',
      sha: 'deployment.sha',
      state: 'deployment_status.state',
      workflow: 'workflow_run.name',
      run_id: 'workflow_run.id',
    },
    required: ['environment', 'state'],
    actions: { created: 'Deployment of {ref} to {environment}: {state}' },
  },
  deployment_review: {
    category: 'STATE',
    severity: 'MEDIUM',
    time: ['since'],
    attributes: {
      ...RUN,
      workflow: 'workflow_run.name',
      environment: 'environment',
      reviewer: ['reviewers.0.reviewer.login', 'reviewers.0.reviewer.name'],
    },
    required: ['environment'],
    actions: { requested: '{actor} needs the approval of {reviewer} to deploy to {environment}' },
  },
  page_build: {
    category: 'STATE',
    time: ['build.updated_at'],
    severityOf: highWhereFailed('build.status'),
    attributes: { state: 'build.status', sha: 'build.commit', elapsed_ms: 'build.duration' },
    actions: { [NO_ACTION]: 'The pages of {resource} were built: {state}' },
  },
};

/** What to look at when all is recorded: to paste into GraphiQL. */

export interface Examples {
  /** Ids of events that have others below them. */
  readonly workflowRun: string;
  readonly pullRequest: string;
}

export function queries({ workflowRun, pullRequest }: Examples): string[] {
  return [
    `# What needs attention: one filter finds checks, jobs and advisories alike.
query Attention {
  events(
    filter: {
      severity: { gte: HIGH }
      or: [
        { attributes: [{ name: "conclusion", eq: "failure" }] }
        { attributes: [{ name: "cvss", gte: 5 }] }
      ]
    }
  ) {
    totalCount
    nodes { occurredAt severity message resource { ref } attributes }
  }
}`,
    `# What was part of what: a workflow run with its jobs, a pull request with its reviews and their comments.
query Trees {
  run: event(id: "${workflowRun}") {
    tree { type { name } message occurredAt }
  }
  pullRequest: event(id: "${pullRequest}") {
    message
    children { nodes { message children { nodes { message } } } }
  }
}`,
    `# How much of what, and for whose eyes.
query Counts {
  all: events(filter: { type: { startsWith: "github." } }) { totalCount }
  alarms: events(filter: { category: [ALARM] }) { totalCount }
  bots: events(filter: { actor: { eq: "user/octocoders-linter[bot]" } }) { totalCount }
  since2021: events(filter: { occurredAt: { gte: "2021-01-01T00:00:00Z" } }) { totalCount }
  resources(type: "repository") {
    nodes { ref acl { viewData } events(first: 1) { totalCount nodes { message } } }
  }
}`,
  ];
}

/** @param after a cursor: the subscription begins with what came after it. */
export function subscription(after: string): string {
  return `# Live: first what there is, then what comes. Leave it running and record something.
subscription Live {
  eventRecorded(after: "${after}") {
    occurredAt
    type { name }
    severity
    message
    actor
    resource { ref }
  }
}`;
}

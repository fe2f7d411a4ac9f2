/**
 * GraphiQL at /graphql, whole in one page that this server sends: nothing is loaded from elsewhere. Tabs
 * hold operations to begin with; in development the token is filled in.
 */

const TABS = [
  `# Press the play button, or Ctrl-Enter.
# The token stands in the headers, at the bottom.
# The newest events, a page at a time:
# pass endCursor as \`after\` to go on.
query Newest {
  events(first: 10) {
    nodes {
      id
      occurredAt
      type { name }
      severity
      message
      resource { ref }
      actor
      attributes
    }
    pageInfo { hasNextPage endCursor }
  }
}
`,
  `# Records an event. The query { eventTypes { name } }
# lists all types; \`note\` is built in.
mutation Record {
  recordEvent(
    input: {
      type: "note"
      resource: "page/welcome"
      message: "Hello from GraphiQL"
      payload: { anything: ["you", "like"] }
    }
  ) {
    event { id message cursor }
  }
}
`,
  `# Shows each event as it is recorded. Leave it
# running and record something in another window.
subscription Live {
  eventRecorded {
    occurredAt
    type { name }
    message
    resource { ref }
    actor
    cursor
  }
}
`,
  `# All parts of a filter must hold;
# \`or\` and \`not\` combine further ones.
query Filtered {
  events(
    first: 10
    filter: {
      severity: { gte: MEDIUM }
      occurredAt: { gte: "2020-01-01T00:00:00Z" }
      not: { type: { eq: "note" } }
    }
  ) {
    totalCount
    nodes {
      id
      type { name }
      message
      children(first: 5) { totalCount nodes { message } }
    }
  }
}
`,
];

/** Its tabs move into their places while they are clicked on, and the click is lost; these stand still. */
const STEADY_TABS = '.graphiql-tab { transform: none !important; }';

/** @param token is filled in as the header `authorization`. */
export function createExplorer(token: string | null): () => Promise<string> {
  let page: Promise<string> | undefined;
  return () => {
    page ??= render(token);
    return page;
  };
}

async function render(token: string | null): Promise<string> {
  // 9 MB of JavaScript: read when somebody first looks at the page.
  const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql');
  const headers = JSON.stringify({ authorization: `Bearer ${token ?? '<token>'}` }, null, 2);
  const page = renderGraphiQL({
    title: 'Eventree',
    subscriptionsProtocol: 'WS',
    headers,
    defaultHeaders: headers,
    defaultTabs: TABS.map((query) => ({ query, headers })),
    defaultQuery: TABS[0] as string,
    shouldPersistHeaders: false,
  });
  return page.replace('</style>', `${STEADY_TABS}</style>`);
}

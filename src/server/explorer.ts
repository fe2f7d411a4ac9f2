/**
 * GraphiQL at /graphql, whole in one page that this server sends: nothing is loaded from elsewhere. Tabs
 * hold operations to begin with; in development the token is filled in.
 */

const TABS = [
  `# Press the play button, or Ctrl-Enter. Headers, at the bottom, hold the token.
# The newest events, a page at a time: pass endCursor as \`after\` to go on.
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
  `# Records an event. The types \`note\`, \`create\`, \`update\`, … are built in; eventTypes lists all.
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
  `# Watches the journal. Leave it running and record something in another tab.
subscription Live {
  eventStream(from: BEGINNING, maxBatch: 20) {
    live
    cursor
    events { id occurredAt type { name } message }
  }
}
`,
  `# Filters combine; \`attributes\` knows the kinds of the declared ones.
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
    nodes { id type { name } message children(first: 5) { totalCount nodes { message } } }
  }
}
`,
];

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
  return renderGraphiQL({
    title: 'Eventree',
    subscriptionsProtocol: 'WS',
    headers,
    defaultHeaders: headers,
    defaultTabs: TABS.map((query) => ({ query, headers })),
    defaultQuery: TABS[0] as string,
    shouldPersistHeaders: false,
  });
}

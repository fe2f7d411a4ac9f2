/** Events to benchmark with: about 700 bytes each, values of known frequency. */

export const ATTRIBUTES = [
  ['branch', 'STRING'],
  ['environment', 'STRING'],
  ['host', 'STRING'],
  ['release', 'STRING'],
  ['size', 'INTEGER'],
  ['success', 'BOOLEAN'],
] as const;

/** 10, 100, 1,000, 1,000, 500 and 2 different values. */
export function attributesOf(i: number): Record<string, string | number | boolean> {
  return {
    branch: `branch-${i % 10}`,
    environment: `environment-${i % 100}`,
    host: `host-${i % 1_000}`,
    release: `release-${(i * 31) % 1_000}`,
    size: i % 500,
    success: i % 2 === 0,
  };
}

export function sampleEvent(i: number, attributes: number) {
  return {
    type: attributes === 0 ? 'bench.plain' : 'bench.rich',
    resource: `repository/acme/site-${i % 1_000}`,
    actor: `user/jane-${i % 100}`,
    message: `jane-${i % 100} pushed ${i % 5} commits to branch-${i % 10} of acme/site-${i % 1_000}`,
    ...(attributes > 0 && { attributes: attributesOf(i) }),
    payload: {
      ref: `refs/heads/branch-${i % 10}`,
      before: '6113728f27ae82c7b1a177c8d03f9e96e0adf246',
      after: '0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c',
      commits: [
        { id: `commit-${i}`, message: 'Update README.md', added: [], removed: [], modified: ['README.md'] },
      ],
      size: i % 5,
    },
  };
}

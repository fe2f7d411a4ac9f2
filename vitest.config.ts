import { defineConfig } from 'vitest/config';

// Test files run side by side, each in a process of its own: what one does to its globals or leaves
// behind is not seen by the next. They share one PostgreSQL and build a database each.
export default defineConfig({
  // The libraries load graphql's CommonJS build. Vite would give our sources the other one, and the two
  // do not know each other's types.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: {
    include: ['test/**/*.test.ts', 'src/**/*.test.ts'],
    globalSetup: [
      'test/support/global-setup.ts',
      'test/prisma/support/generate.ts',
      'test/web/support/build.ts',
    ],
    pool: 'forks',
    // Most of a test's time passes in PostgreSQL, which wants a core as well.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});

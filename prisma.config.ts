import { defineConfig } from 'prisma/config';

// `prisma generate` looks for the schema engine (a download) and then does not run it: any executable
// file will do. Migrations are applied by the server itself (src/db/migrate.ts), so nothing here ever
// needs the real one.
process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= process.execPath;

export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
  datasource: { url: process.env.DATABASE_URL ?? 'postgresql://localhost:5432/eventree' },
});

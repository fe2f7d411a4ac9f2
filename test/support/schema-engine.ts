/**
 * Prisma's own schema engine (the WebAssembly build, so that nothing is downloaded) on one database: what
 * `prisma migrate deploy` and `prisma migrate diff` would do there. Tests hold our runner and our SQL
 * against it; the program itself never needs it.
 *
 * The engine speaks to the database through @prisma/adapter-pg, which at 7.10.0 has three faults that the
 * queries of an application never meet. They are corrected here:
 *
 *   executeScript      splits at every `;`, also inside of `$$ … $$`
 *   queryRaw           refuses columns of type "char", of which the catalog is full
 *   connectToShadowDb  with a connection string, "the shadow" is the database itself, to be emptied
 */
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PrismaPg } from '@prisma/adapter-pg';
import {
  bindMigrationAwareSqlAdapterFactory,
  ColumnTypeEnum,
  type SqlMigrationAwareDriverAdapterFactory,
  type SqlQuery,
} from '@prisma/driver-adapter-utils';
import * as bindings from '@prisma/schema-engine-wasm/schema_engine_bg';
import pg from 'pg';

export interface SchemaEngine {
  /** As `prisma migrate deploy`; answers the names of the migrations that it applied. */
  deploy(): Promise<readonly string[]>;
  /** As `prisma migrate diff --exit-code`: the SQL that leads from the database to schema.prisma. */
  drift(): Promise<{ readonly found: boolean; readonly sql: string }>;
  /** Ends the engine's connections and with them its lock. May be called more than once. */
  stop(): Promise<void>;
}

const PRISMA = fileURLToPath(new URL('../../prisma/', import.meta.url));
const NO_FILTERS = { externalTables: [], externalEnums: [] };

export async function startSchemaEngine(url: string): Promise<SchemaEngine> {
  loaded ??= loadEngine();
  await loaded;
  const pool = new pg.Pool({ connectionString: url });
  const engine = await bindings.SchemaEngine.new(
    { datamodels: undefined },
    () => {}, // its log
    bindMigrationAwareSqlAdapterFactory(correctedAdapter(pool)),
  );
  let stopped: Promise<void> | undefined;
  return {
    async deploy() {
      const output = await engine.applyMigrations({
        migrationsList: await readMigrations(),
        filters: NO_FILTERS,
      });
      return output.appliedMigrationNames;
    },
    async drift() {
      const path = join(PRISMA, 'schema.prisma');
      const files = [{ path, content: await readFile(path, 'utf8') }];
      const { exitCode, stdout } = await engine.diff({
        from: { tag: 'schemaDatasource', files, configDir: PRISMA },
        to: { tag: 'schemaDatamodel', files },
        script: true,
        exitCode: true,
        filters: NO_FILTERS,
      });
      return { found: exitCode !== 0, sql: stdout ?? '' };
    },
    stop: () => (stopped ??= pool.end()),
  };
}

/** Once per process: a second instance would take the first one's memory for its own. */
let loaded: Promise<void> | undefined;

/** What the package's main file does with `import … from '….wasm'`, which Node 20 has behind a flag only. */
async function loadEngine(): Promise<void> {
  const glue = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm/schema_engine_bg');
  const code = await readFile(glue.replace(/\.js$/, '.wasm'));
  const { instance } = await WebAssembly.instantiate(code, { './schema_engine_bg.js': bindings });
  bindings.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
}

/** Of the global that Node has and its types leave out: what is used here. */
declare const WebAssembly: {
  instantiate(
    code: Uint8Array,
    imports: object,
  ): Promise<{ readonly instance: { readonly exports: { __wbindgen_start(): void } } }>;
};

function correctedAdapter(pool: pg.Pool): SqlMigrationAwareDriverAdapterFactory {
  const query = pool.query.bind(pool);

  // Labels "char" (oid 18) as an array of it (1002), which the adapter takes; below, the label comes off
  // again. The values were read before and are single characters.
  const labelled = async (config: pg.QueryArrayConfig) => {
    const result = await query(config);
    for (const field of result.fields) if (field.dataTypeID === 18) field.dataTypeID = 1002;
    return result;
  };
  // Of the many forms of `query` the adapter uses this one.
  const factory = new PrismaPg(Object.assign(pool, { query: labelled as typeof pool.query }));

  return {
    provider: factory.provider,
    adapterName: factory.adapterName,
    async connect() {
      const adapter = await factory.connect();
      const queryRaw = adapter.queryRaw.bind(adapter);
      return Object.assign(adapter, {
        async queryRaw(request: SqlQuery) {
          const result = await queryRaw(request);
          const columnTypes = result.columnTypes.map((type) =>
            type === ColumnTypeEnum.CharacterArray ? ColumnTypeEnum.Character : type,
          );
          return { ...result, columnTypes };
        },
        async executeScript(script: string) {
          await query(script);
        },
      });
    },
    async connectToShadowDb() {
      throw new Error('The shadow database of @prisma/adapter-pg 7.10.0 may be the database itself.');
    },
  };
}

async function readMigrations() {
  const baseDir = join(PRISMA, 'migrations');
  const folders = (await readdir(baseDir, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  const migrationDirectories = folders.map(async ({ name }) => {
    const value = await readFile(join(baseDir, name, 'migration.sql'), 'utf8');
    return { path: name, migrationFile: { path: 'migration.sql', content: { tag: 'ok' as const, value } } };
  });
  return {
    baseDir,
    lockfile: {
      path: 'migration_lock.toml',
      content: await readFile(join(baseDir, 'migration_lock.toml'), 'utf8'),
    },
    shadowDbInitScript: '',
    migrationDirectories: await Promise.all(migrationDirectories),
  };
}

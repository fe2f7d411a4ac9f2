/**
 * The files of the built web UI, read once, when the server starts. A request finds its file in this list
 * or nowhere: no path that a client names reaches the disk, and a new build in the same folder does not mix
 * with the one that is being sent.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

export type Coding = 'br' | 'gzip' | 'identity';

export interface WebFile {
  readonly type: string;
  /** Of the content, however it is sent: a weak validator (RFC 9110, 8.8.1). */
  readonly etag: string;
  /** What it can be sent as, the best first. */
  readonly codings: readonly Coding[];
  /** Compressed when it is first asked for, and kept. */
  encoded(coding: Coding): Promise<Buffer>;
}

/** The same one folder up from src and from dist. */
export const WEB_FOLDER = fileURLToPath(new URL('../../dist/web/', import.meta.url));

interface FileKind {
  readonly type: string;
  readonly isText: boolean;
}

const text = (type: string): FileKind => ({ type: `${type}; charset=utf-8`, isText: true });
const binary = (type: string): FileKind => ({ type, isText: false });

/** What is of another kind, such as a source map, is not sent. */
const KINDS: Readonly<Record<string, FileKind>> = {
  '.html': text('text/html'),
  '.js': text('text/javascript'),
  '.css': text('text/css'),
  '.svg': text('image/svg+xml'),
  '.txt': text('text/plain'),
  '.webmanifest': text('application/manifest+json'),
  '.png': binary('image/png'),
  '.ico': binary('image/x-icon'),
  '.woff2': binary('font/woff2'),
};

/** Of 11: 600 kB of JavaScript take 50 ms; at 11 they take a second, and are 9 % smaller. */
const BROTLI_QUALITY = 9;

const COMPRESS: Readonly<Record<Exclude<Coding, 'identity'>, (body: Buffer) => Promise<Buffer>>> = {
  br: (body) =>
    promisify(brotliCompress)(body, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY,
        [constants.BROTLI_PARAM_SIZE_HINT]: body.length,
      },
    }),
  gzip: promisify<Buffer, Buffer>(gzip),
};

/** @returns the files by the paths that clients know them by, like `/index.html`; none where nothing was built. */
export async function readWebFiles(folder: string): Promise<ReadonlyMap<string, WebFile>> {
  const files = new Map<string, WebFile>();
  try {
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      const kind = KINDS[extname(entry.name)];
      // A link is no file here: it may lead out of the folder.
      if (!entry.isFile() || kind === undefined) continue;
      const place = join(entry.parentPath, entry.name);
      files.set(`/${relative(folder, place).split(sep).join('/')}`, createFile(kind, await readFile(place)));
    }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return new Map();
    throw error;
  }
  return files;
}

function createFile({ type, isText }: FileKind, body: Buffer): WebFile {
  const kept = new Map<Coding, Promise<Buffer>>([['identity', Promise.resolve(body)]]);
  return {
    type,
    etag: `W/"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`,
    codings: isText ? ['br', 'gzip', 'identity'] : ['identity'],
    encoded(coding) {
      const before = kept.get(coding);
      if (before !== undefined || coding === 'identity') return before as Promise<Buffer>;
      const compressed = COMPRESS[coding](body);
      kept.set(coding, compressed);
      return compressed;
    },
  };
}

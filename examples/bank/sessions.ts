/** Who is signed in. The token that a customer shows is a secret; events name the session by an id of its own. */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Recorder, Session } from '../../src/recorder/index.ts';

export interface SignedIn {
  readonly name: string;
  readonly session: Session;
}

export function createSessions(recorder: Recorder) {
  const open = new Map<string, SignedIn>();
  return {
    /** @returns the token. */
    async open(name: string, { headers, socket }: IncomingMessage): Promise<string> {
      const session = await recorder.session({
        address: socket.remoteAddress ?? null,
        userAgent: headers['user-agent'] ?? null,
      });
      await session.authenticated(`user/${name}`);
      const token = randomBytes(32).toString('base64url');
      open.set(token, { name, session });
      return token;
    },
    of({ headers }: IncomingMessage): SignedIn | null {
      const token = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1];
      return open.get(token ?? '') ?? null;
    },
  };
}

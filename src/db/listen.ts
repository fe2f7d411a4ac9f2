/**
 * Hears what is notified on a channel of PostgreSQL, by a connection of its own that is made again when it is lost.
 * What was notified meanwhile is not heard: whoever listens is called once more for each connection.
 */
import pg from 'pg';
import { startLoop } from '../base/loop.ts';

export interface ListenOptions {
  readonly url: string;
  readonly channel: string;
  /** Something was notified, or may have been. */
  readonly onNotice: () => void;
  readonly onError: (error: unknown) => void;
}

export function startListening({ url, channel, onNotice, onError }: ListenOptions): {
  stop(): Promise<void>;
} {
  return startLoop({ intervalMs: 0, onError, work });

  /** Lasts as long as its connection. @throws what ended that. */
  async function work(stopping: AbortSignal): Promise<boolean> {
    const client = new pg.Client({
      connectionString: url,
      connectionTimeoutMillis: 10_000,
      keepAlive: true,
      application_name: 'eventree listener',
    });
    const ended = new Promise<void>((resolve, reject) => {
      client.on('error', reject);
      client.on('end', () => reject(new Error('Connection terminated unexpectedly')));
      stopping.addEventListener('abort', () => resolve(), { once: true });
    });
    // It may end before it is waited for.
    ended.catch(() => {});
    client.on('notification', onNotice);
    try {
      await client.connect();
      await client.query(`listen ${client.escapeIdentifier(channel)}`);
      onNotice();
      await ended;
    } finally {
      // What broke it has been told.
      await client.end().catch(() => {});
    }
    return false;
  }
}

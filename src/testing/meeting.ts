/** What the keeper of PostgreSQL and those who use it know of each other; see keeper.ts. */

/** What is sent to who connects, as one line of JSON. */
export interface Welcome {
  /** Of the server's own database, for making others. */
  readonly url: string;
  /** Name of a database that is migrated and otherwise empty. */
  readonly template: string;
  /** Databases whose names begin so are removed with the connection. */
  readonly prefix: string;
  /** Of the keeper. */
  readonly pid: number;
}

/** Names within the folder where they meet. */
export const SOCKET = 'keeper.sock';
export const LOG = 'keeper.log';

/** The exit code of a keeper that found another one. */
export const TAKEN = 3;

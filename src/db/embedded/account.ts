/**
 * Who PostgreSQL runs as, and that it ends with the server. It refuses to run as root: a hole in it would be
 * a hole in the machine. And a server that is killed cannot stop it any more: the kernel has to.
 *
 *     server runs as                      PostgreSQL runs as
 *     ordinary user                       that user
 *     ordinary user without a name        that user, called `nobody` in a user namespace: initdb wants a name
 *     root, data owned by another user    that user
 *     root, user namespaces allowed       root, who is `nobody` in a user namespace: reaches the data
 *                                         wherever it lies, also below folders closed to all others
 *     root, forbidden (most containers)   `postgres` or `nobody`, to whom the data is given; every folder
 *                                         above has to be open
 *
 * On Linux the kernel sends SIGINT, a fast shutdown, when the *thread* that started it has ended
 * (prctl(2), PR_SET_PDEATHSIG): the server has to start it on the main thread. Elsewhere an orphan may stay,
 * which the next start stops.
 */
import { stat } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { StartError } from '../../base/errors.ts';
import { type Account, OWN_ACCOUNT, run } from './command.ts';

/** In the order of preference; the second is what macOS has. */
const UNPRIVILEGED = ['postgres', '_postgres', 'nobody'];

/**
 * Decides it for the cluster in `cluster`, which need not be there yet, within `dataFolder`, and gives both
 * to that account where it has to.
 *
 * @throws StartError where no account will do.
 */
export async function chooseAccount(dataFolder: string, cluster: string): Promise<Account> {
  const owner = await stat(cluster).catch(() => undefined);
  const uid = process.getuid?.();
  const bound = await boundToServer();
  if (uid === 0) {
    if (owner !== undefined && owner.uid !== 0) {
      return { prefix: bound, stepDown: { uid: owner.uid, gid: owner.gid, name: `with id ${owner.uid}` } };
    }
    const user = await findUnprivileged();
    return (await inNamespace(user, bound)) ?? (await giveTo(user, bound, dataFolder, owner && cluster));
  }
  if (owner !== undefined && owner.uid !== uid) {
    throw new StartError(
      `The database in ${cluster} belongs to the user with id ${owner.uid}. Start Eventree as that user, or set EVENTREE_DATA_DIR to another folder.`,
    );
  }
  if (hasName()) return { prefix: bound };
  return (await inNamespace(await findUnprivileged(), bound)) ?? { prefix: bound };
}

/** The prefix under which a program ends with the server, if this system has one. */
async function boundToServer(): Promise<readonly string[]> {
  const prefix = ['setpriv', '--pdeathsig=INT'];
  return (await works({ prefix })) ? prefix : [];
}

type User = NonNullable<Account['stepDown']>;

async function inNamespace(user: User, bound: readonly string[]): Promise<Account | undefined> {
  // No --fork: each of these programs becomes the next by exec, so that the process we start is PostgreSQL.
  const mapped = ['unshare', '--user', `--map-user=${user.uid}`, `--map-group=${user.gid}`, '--'];
  const account = { prefix: [...mapped, ...bound] };
  return (await works(account)) ? account : undefined;
}

async function giveTo(
  user: User,
  bound: readonly string[],
  dataFolder: string,
  cluster: string | undefined,
): Promise<Account> {
  const account = { prefix: bound, stepDown: user };
  // Not where it is open to that user anyway: such a folder has other uses.
  if (!(await reaches(account, dataFolder))) await give(user, dataFolder, []);
  // It is there if it was created where namespaces are allowed, e.g. on the host of this container.
  if (cluster !== undefined) await give(user, cluster, ['-R', '-h']);
  return account;
}

async function give(user: User, folder: string, options: readonly string[]): Promise<void> {
  const { code, output } = await run(OWN_ACCOUNT, 'chown', [...options, `${user.uid}:${user.gid}`, folder]);
  if (code === 0) return;
  throw new StartError(
    `PostgreSQL does not run as root, and ${folder} cannot be given to the user ${user.name} (${output.trim()}). ` +
      'Start Eventree as an ordinary user, or set DATABASE_URL to a PostgreSQL server.',
  );
}

/** @throws StartError where the account does not reach the file or folder. */
export async function checkReach(account: Account, path: string): Promise<void> {
  if (account.stepDown === undefined || (await reaches(account, path))) return;
  throw new StartError(
    `PostgreSQL does not run as root, but the user ${account.stepDown.name} cannot reach ${path}. ` +
      'Open the folders above it (chmod o+x), start Eventree as an ordinary user, or set DATABASE_URL to a PostgreSQL server.',
  );
}

async function reaches(account: Account, path: string): Promise<boolean> {
  return (await run(account, 'test', ['-x', path])).code === 0;
}

async function findUnprivileged(): Promise<User> {
  for (const name of UNPRIVILEGED) {
    const [uid, gid] = await Promise.all([id('-u', name), id('-g', name)]);
    if (uid !== undefined && gid !== undefined) return { uid, gid, name };
  }
  throw new StartError(
    `PostgreSQL does not run as root, and there is none of the users ${UNPRIVILEGED.join(', ')}. ` +
      'Start Eventree as an ordinary user, or set DATABASE_URL to a PostgreSQL server.',
  );
}

async function id(option: string, name: string): Promise<number | undefined> {
  const { code, output } = await run(OWN_ACCOUNT, 'id', [option, name]);
  return code === 0 ? Number(output) : undefined;
}

function hasName(): boolean {
  try {
    return userInfo().username !== '';
  } catch {
    return false;
  }
}

async function works(account: Account): Promise<boolean> {
  return (await run(account, 'true', [])).code === 0;
}

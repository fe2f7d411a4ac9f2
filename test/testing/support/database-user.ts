/** A process that has a database until its input ends: `database-user.ts <folder> <milliseconds to linger>`. */
import { once } from 'node:events';
import { openDatabases } from '../../../src/testing/databases.ts';

const [folder, lingerMs] = process.argv.slice(2) as [string, string];
const databases = await openDatabases({ folder, lingerMs: Number(lingerMs) });
const { url } = await databases.create('eventree');
process.stdout.write(`${JSON.stringify({ keeper: databases.keeper, url })}\n`);
process.stdin.resume();
await once(process.stdin, 'end');
// And nothing more: neither the databases nor the connection keep it from ending.

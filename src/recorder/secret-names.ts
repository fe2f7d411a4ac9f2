/**
 * Which names are those of secrets, by their words: `accessToken`, `x-api-key` and `DB_PASSWORD` are, `tokenizer`,
 * `pinned` and `monkey` are not. Pure.
 */

export type IsSecret = (name: string) => boolean;

const WORDS = [
  'password',
  'passwords',
  'passwd',
  'passphrase',
  'passcode',
  'pwd',
  'secret',
  'secrets',
  'token',
  'tokens',
  'authorization',
  'api key',
  'api keys',
  'access key',
  'private key',
  'signing key',
  'encryption key',
  'credential',
  'credentials',
  'cookie',
  'cookies',
  'jwt',
  'otp',
  'cvv',
  'cvc',
  'pin',
  'pass',
  'auth',
  'bearer',
  'session key',
  'master key',
  'hmac key',
  'ssh key',
  'secret key',
  'totp',
  'mfa code',
  'recovery code',
  'pw',
  'session id',
];
/** Of sessions. Beside other words it is an id of anything: `accountSid`. */
const WHOLE = ['sid', 'connect sid'];
/** Long enough to be one at the end of a word that is written together: `authtoken`, `userpassword`. */
const ENDINGS =
  '(?:password|passwd|passphrase|pwd|secret|secretkey|token|apikeys?|accesskey|privatekey|credentials?|cookies?|sessionid|sessid)';
const MOST_CHARS = 200;
const MOST_REMEMBERED = 10_000;

/** @param further names of the application's own: `iban`, `dateOfBirth`. */
export function secretNames(further: readonly string[]): IsSecret {
  const sequences = [...WORDS, ...further.map(wordsOf).filter((words) => words !== '')];
  // Of letters and spaces alone.
  const secret = new RegExp(`(?: (?:${sequences.join('|')})|${ENDINGS}) |^ (?:${WHOLE.join('|')}) $`);
  const known = new Map<string, boolean>();
  return (whole) => {
    const name = whole.length > MOST_CHARS ? whole.slice(0, MOST_CHARS) : whole;
    const before = known.get(name);
    if (before !== undefined) return before;
    const words = wordsOf(name);
    // `secRet` is one word too.
    const is = secret.test(` ${words} `) || secret.test(`${words.replaceAll(' ', '')} `);
    // Names that strangers make up must not take the place of an application's own for ever.
    if (known.size === MOST_REMEMBERED) known.clear();
    // A copy: what was found in a long text would hold all of it.
    known.set(Buffer.from(name).toString(), is);
    return is;
  };
}

/** `x-apiKey` → `x api key`, `DBPassword` → `db password` */
function wordsOf(name: string): string {
  return name
    .replace(/(\p{Ll}|\p{N})(?=\p{Lu})/gu, '$1 ')
    .replace(/(\p{Lu})(?=\p{Lu}\p{Ll})/gu, '$1 ')
    .replace(/[^\p{L}]+/gu, ' ')
    .trim()
    .toLowerCase();
}

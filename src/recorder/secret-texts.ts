/**
 * Secrets within a text, which are known by their form: what stands behind `Bearer` and `Basic`, passwords in URLs,
 * JSON Web Tokens, private keys, rows of a table, and what a text gives a secret's name, as `?token=…`, `"password": "…"`
 * and `X-Api-Key: …`; so is what it gives a private name. These are the forms that OpenTelemetry has taken out of URLs, and Datadog and Sentry out of
 * texts. Keys of single vendors are not known by theirs: there is no end to them.
 *
 * Pure. Each expression looks at a character a bounded number of times, whatever the text, and is tried only where a
 * quicker look has found what it begins with.
 */

export const REDACTED = '[redacted]';
export const PRIVATE = '[private]';

/** What stands for values of this name; null where they are shown. */
export type StubFor = (name: string) => string | null;

/** What each of the forms has in it, and few texts have. */
const TRACE = /[=:]|eyJ|(?:bearer|basic|begin|contains) /i;

export function withoutSecrets(text: string, stubFor: StubFor): string {
  if (!TRACE.test(text)) return text;
  let safe = text;
  if (safe.includes('-----BEGIN ')) safe = safe.replace(PRIVATE_KEY, REDACTED);
  if (safe.includes('contains (')) safe = safe.replace(FAILING_ROW, `$1${REDACTED}`);
  if (safe.includes('eyJ')) safe = safe.replace(JSON_WEB_TOKEN, REDACTED);
  if (safe.includes(' ')) safe = safe.replace(CREDENTIALS, withoutCredentials);
  const hasColon = safe.includes(':');
  if (hasColon) safe = withoutHeaders(safe, stubFor);
  if (hasColon && safe.includes('@')) safe = safe.replace(URL_USER, withoutPassword);
  if (safe.includes(')=(')) safe = safe.replace(INDEX_KEY, (...found) => withoutKey(found, stubFor));
  if (safe.includes('=') || (hasColon && VALUE_BEGIN.test(safe))) safe = withoutNamed(safe, stubFor);
  return safe;
}

/** What of a text is left where it is cut. */
export const STUB_CHARS = 200;
/** How far behind that is looked for the end of a secret which begins before. */
const LOOK_AHEAD_CHARS = 4_096;

/** Text that PostgreSQL and JSON can hold. */
export function cleanText(text: string): string {
  const whole = text.isWellFormed() ? text : text.toWellFormed();
  return whole.includes('\0') ? whole.replaceAll('\0', '\uFFFD') : whole;
}

/** What is longer is what it begins with, and `[cut: 70000 characters]`. */
export function safeText(text: string, mostChars: number, stubFor: StubFor): string {
  if (text.length <= mostChars) {
    const safe = cleanText(withoutSecrets(text, stubFor));
    if (safe.length <= mostChars) return safe;
  }
  const begun = withoutSecrets(text.slice(0, STUB_CHARS + LOOK_AHEAD_CHARS), stubFor);
  const stub = cleanText(begun.slice(0, Math.min(STUB_CHARS, mostChars)));
  return `${stub}… [cut: ${text.length} characters]`;
}

/** One that was cut has no end. */
const PRIVATE_KEY =
  /-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:[\s\S]*?-----END [A-Z ]{0,40}PRIVATE KEY-----|[\s\S]*)/g;

/**
 * As PostgreSQL tells of a row that a constraint refuses: `Failing row contains (7, jane, 1234).` Whose the values are it
 * does not say, and they may hold anything: what stands behind them cannot be told from them.
 */
const FAILING_ROW = /(\bfailing row contains )\([\s\S]*/gi;

/** RFC 7515, RFC 7516: three parts, or five where it is encrypted. The first begins as `{"` does in base64. */
const JSON_WEB_TOKEN = /(?<![\w-])eyJ[\w-]+(?:\.[\w-]*){2,4}/g;

/**
 * What stands before the `@` of a URL. A password that is not encoded as it should be may hold `/` and `@`: it goes as
 * far as the last `@`. A number alone is a port.
 */
const URL_USER = /(https?)?:\/\/([^\s/?#@"'<>:]*)(:(?!\d{1,5}(?:[/?#\s"'<>]|$))(?:(?!:\/\/)[^\s"'<>])*)?@/gi;

/** To web sites, keys are given as names of users too. */
function withoutPassword(
  all: string,
  web: string | undefined,
  user: string,
  password: string | undefined,
): string {
  if (web !== undefined) return `${web}://${REDACTED}@`;
  return password === undefined ? all : `://${user}:${REDACTED}@`;
}

const CREDENTIALS = /\b(bearer|basic)( +)([^\s"'<>,;)}\]]+)/gi;
/** What prose says of a scheme, and a challenge: `Bearer realm="bank"`. */
const OF_SCHEME =
  /^(?:tokens?|auth|authentication|authorization|scheme|realm|error|header|format|prefix|type|of|in|is|are|was|or|and|must|not|missing|required|invalid|expired)\W*$/i;

function withoutCredentials(all: string, scheme: string, gap: string, given: string): string {
  const isProse = OF_SCHEME.test(given) || (scheme.toLowerCase() === 'basic' && !isBase64(given));
  return isProse ? all : `${scheme}${gap}${REDACTED}`;
}

/** `basic` is a word of every day; in base64 there is no such. */
function isBase64(given: string): boolean {
  const text = given.replace(/[.:!?]{1,3}$/, '');
  return /^[\w+/-]{4,}={0,2}$/.test(text) && !text.split(/[-/]/).every((part) => WORD.test(part));
}
const WORD = /^(?:\p{Lu}?\p{Ll}*|\p{Lu}*|\d*)$/u;

/** A line of HTTP's headers, also where line ends are written as JSON has them. */
const HEADER = /^([ \t>*]{0,8}([\w-]+):[ \t]{0,8})(\S[^\r\n]*)/gm;
const HEADER_IN_JSON = /(\\n([\w-]+):[ \t]{0,8})([^\\"\r\n \t](?:[^\\"\r\n]|\\(?![rn])[\s\S])*)/g;
/** Of HTTP alone. What else stands at the begin of a line may be prose: `password: must have 8 characters`. */
const HEADER_NAME = /^(?:\w+-[\w-]+|authorization|cookie)$/i;
const IS_HTTP = /\bHTTP\/\d|\r\n|\\r\\n/;
const SAFE_HEADER = /^(?:(?:bearer|basic) +)?\[(?:redacted|private)\]$/i;

function withoutHeaders(text: string, stubFor: StubFor): string {
  const isHttp = IS_HTTP.test(text);
  const replace = (all: string, start: string, name: string, value: string) => {
    if (!isHttp && !HEADER_NAME.test(name)) return all;
    const stub = stubFor(name);
    return stub === null || SAFE_HEADER.test(value) ? all : start + stub;
  };
  const safe = text.replace(HEADER, replace);
  return safe.includes('\\n') ? safe.replace(HEADER_IN_JSON, replace) : safe;
}

/** As PostgreSQL tells of a unique index: `Key (tenant, lower(iban))=(7, de89) already exists.` */
const INDEX_KEY = /(\bkey \()([^=\n]{1,1000})\)=\(.{0,4096}?\)(?= (?:already|is|conflicts) |$)/gim;

/** Which of the values is whose cannot be told: they may hold commas. */
function withoutKey([all, key, names]: readonly string[], stubFor: StubFor): string {
  for (const [name] of (names as string).matchAll(/[\w-]+/g)) {
    const stub = stubFor(name);
    if (stub !== null) return `${key}${names})=${stub}`;
  }
  return all as string;
}

/** What a value may follow: `token=`, `"token":`, `token: `, `user[token]=`, `(token)=`, `"token"=>`. */
const NAME = /(?<![\w.%-])([\w.%-]+)[)\]]?(\\?["'])?\s{0,4}([:=])[:=]{0,2}>?\s{0,4}/g;
/** Of one behind a colon. */
const VALUE_BEGIN = /["']|:\s{0,4}(?:[-\d[{]|new )/;
/** In quotes, which may stand in quotes themselves. Where the text was cut, they are not closed. */
const QUOTED =
  /"[^"\\]*(?:\\[\s\S][^"\\]*)*"?|'[^'\\]*(?:\\[\s\S][^'\\]*)*'?|\\"[^"\\]*(?:\\[^"][^"\\]*)*(?:\\")?/y;
/** In parentheses there may be spaces, as where PostgreSQL tells of a key. */
const BARE = /(?:\([^()\n]*\))?[^\s&;"'<>#]*/y;
const BARE_IN_JSON = /[^\s,}\]"']+/y;
/** Behind a colon and a name without quotes, where anything else is prose. */
const LITERAL = /-?\d[\w.]*(?=\s*(?:[,}\])]|$))|new [A-Z][\w.]*\((?:"[^"]*"?|'[^']*'?|[^()"']*)\)?/my;
/** By which URLs are signed: who has one has what it opens. Elsewhere a signature is no secret. */
const SIGNATURE = /(?:^|[-_])sig(?:nature)?$/i;

function withoutNamed(text: string, stubFor: StubFor): string {
  let safe = '';
  let done = 0;
  NAME.lastIndex = 0;
  for (let found = NAME.exec(text); found !== null; found = NAME.exec(text)) {
    const [, name = '', quote, sign] = found;
    const isGiven = sign === '=';
    const stub = stubFor(decoded(name)) ?? (isGiven && SIGNATURE.test(name) ? REDACTED : null);
    if (stub === null) continue;
    const start = NAME.lastIndex;
    const end = endOfValue(text, start, isGiven ? BARE : quote === undefined ? LITERAL : BARE_IN_JSON);
    if (end === start || STUBS.includes(text.slice(start, end))) continue;
    const mark = /^\\?["']/.exec(text.slice(start, start + 2))?.[0] ?? '';
    safe += `${text.slice(done, start)}${mark}${stub}${mark}`;
    done = end;
    NAME.lastIndex = end;
  }
  return safe + text.slice(done);
}

/** What has been replaced before stays. */
const STUBS: readonly string[] = [REDACTED, PRIVATE];

/** @param bare of a value without quotes: `token: expired` is prose. */
function endOfValue(text: string, start: number, bare: RegExp): number {
  if (text[start] === '[' || text[start] === '{') return endOfBrackets(text, start);
  for (const form of [QUOTED, bare]) {
    form.lastIndex = start;
    if (form.test(text)) return form.lastIndex;
  }
  return start;
}

function endOfBrackets(text: string, start: number): number {
  let open = 0;
  for (let i = start; i < text.length; i++) {
    const char = text[i];
    QUOTED.lastIndex = i;
    if (QUOTED.test(text)) i = QUOTED.lastIndex - 1;
    else if (char === '[' || char === '{') open++;
    else if ((char === ']' || char === '}') && --open === 0) return i + 1;
  }
  return text.length;
}

/** As names stand in forms and in URLs: `user%5Btoken%5D`. */
function decoded(name: string): string {
  if (!name.includes('%')) return name;
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

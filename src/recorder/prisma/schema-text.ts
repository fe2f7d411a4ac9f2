/**
 * Reads the text of a Prisma schema, which every generated client carries with it, as far as recording needs it:
 * keys, columns, and what a foreign key does. The client's own data model has none of that.
 *
 * Blocks and their lines, no grammar: the text has been through Prisma's own parser, which took it.
 */

export interface Block {
  readonly kind: string;
  readonly name: string;
  readonly lines: readonly Line[];
}

/** `balance Decimal @default(0)`, or `@@map("accounts")` with an empty name and type. */
export interface Line {
  readonly name: string;
  readonly type: string;
  readonly list: boolean;
  readonly optional: boolean;
  /** Names with what stands in their parentheses, or an empty text: `@map` → `"account_number"`. */
  readonly attributes: ReadonlyMap<string, string>;
}

/** Parts of a text outside of which nothing is looked for: a string, a comment of either kind. */
const OPAQUE = /"(?:[^"\\\n]|\\.)*"|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;

export function blocksOf(schema: string): Block[] {
  const strings: string[] = [];
  // Strings are taken out, so that what stands in them is never taken for a brace or an attribute.
  const bare = schema.replace(OPAQUE, (part) => {
    if (!part.startsWith('"')) return ' ';
    return `"${strings.push(part) - 1}"`;
  });
  const found = bare.matchAll(/\b(model|view|enum|type|datasource|generator)\s+(\w+)\s*\{([^}]*)\}/g);
  return [...found].map(([, kind = '', name = '', body = '']) => ({
    kind,
    name,
    lines: linesOf(body).map((line) => readLine(line, strings)),
  }));
}

/** What stands in parentheses or brackets may go over several lines of text. */
function linesOf(body: string): string[] {
  const lines = [''];
  let depth = 0;
  for (const char of body) {
    if (char === '(' || char === '[') depth++;
    if (char === ')' || char === ']') depth--;
    if (char === '\n' && depth === 0) lines.push('');
    else lines[lines.length - 1] += char;
  }
  return lines.map((line) => line.trim()).filter((line) => line !== '');
}

const FIELD = /^(\w+)(?:\s+(\w+)(?:\(\s*"\d+"\s*\))?(\[\])?(\?)?)?/;

function readLine(line: string, strings: readonly string[]): Line {
  const [head = '', name = '', type = '', list, optional] = FIELD.exec(line) ?? [];
  return {
    name,
    type,
    list: list !== undefined,
    optional: optional !== undefined,
    attributes: attributesOf(line.slice(head.length), strings),
  };
}

function attributesOf(text: string, strings: readonly string[]): Map<string, string> {
  const attributes = new Map<string, string>();
  const found = /@@?[\w.]+/g;
  for (let match = found.exec(text); match !== null; match = found.exec(text)) {
    const [name] = match;
    const inside = text[found.lastIndex] === '(' ? parenthesis(text, found.lastIndex) : '';
    attributes.set(name, withStrings(inside, strings));
    found.lastIndex += inside.length;
  }
  return attributes;
}

/** What stands between the parenthesis that opens here and the one that closes it. */
function parenthesis(text: string, start: number): string {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    if (text[at] === '(') depth++;
    if (text[at] === ')' && --depth === 0) return text.slice(start + 1, at);
  }
  return '';
}

function withStrings(text: string, strings: readonly string[]): string {
  return text.replace(/"(\d+)"/g, (_, index: string) => strings[Number(index)] as string);
}

/** `"accounts"` → `accounts`; the first string of an attribute, which may be named: `map: "accounts"`. */
export function stringIn(inside: string | undefined): string | null {
  const [text] = /"(?:[^"\\]|\\.)*"/.exec(inside ?? '') ?? [];
  return text === undefined ? null : (JSON.parse(text) as string);
}

/** `[row, place(sort: Desc)]` → `row`, `place`; the list behind the name, or the first one. */
export function namesIn(inside: string | undefined, label?: string): string[] {
  const list = new RegExp(`${label === undefined ? '' : `\\b${label}\\s*:\\s*`}\\[([^\\]]*)\\]`).exec(
    inside ?? '',
  );
  const bare = (list?.[1] ?? '').replace(/\([^)]*\)/g, '');
  return bare
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

/** `onDelete: Cascade` → `Cascade` */
export function wordIn(inside: string | undefined, label: string): string | null {
  return new RegExp(`\\b${label}\\s*:\\s*(\\w+)`).exec(inside ?? '')?.[1] ?? null;
}

/** A stream of bytes as lines, each with its number; never more than one of them in memory. */

export type Line =
  | { readonly number: number; readonly text: string }
  /** Longer than may be, or not UTF-8: passed over. */
  | { readonly number: number; readonly problem: string };

const NEW_LINE = 0x0a;
const BYTE_ORDER_MARK = '\ufeff';

/** Lines end with LF or CRLF, the last one perhaps with neither. */
export async function* linesOf(source: AsyncIterable<Buffer>, mostBytes: number): AsyncGenerator<Line, void> {
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let parts: Buffer[] = [];
  let bytes = 0;
  let number = 0;

  const keep = (part: Buffer) => {
    bytes += part.length;
    if (bytes <= mostBytes) parts.push(part);
    else parts = [];
  };
  const finish = (): Line => {
    const [content, length] = [Buffer.concat(parts), bytes];
    parts = [];
    bytes = 0;
    number++;
    if (length > mostBytes) return { number, problem: `The line is longer than ${mostBytes} bytes.` };
    try {
      const text = utf8.decode(content).replace(/\r$/, '');
      return { number, text: number === 1 && text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text };
    } catch {
      return { number, problem: 'The line is not UTF-8.' };
    }
  };

  for await (const chunk of source) {
    let start = 0;
    for (let end = chunk.indexOf(NEW_LINE); end !== -1; end = chunk.indexOf(NEW_LINE, start)) {
      keep(chunk.subarray(start, end));
      yield finish();
      start = end + 1;
    }
    keep(chunk.subarray(start));
  }
  if (bytes > 0) yield finish();
}

/** The header by which requests belong to a trace: W3C Trace Context, https://www.w3.org/TR/trace-context/. */

export interface Trace {
  /** As it came. */
  readonly traceparent: string;
  readonly traceId: string;
}

const FORM =
  /^(?<version>[0-9a-f]{2})-(?<traceId>[0-9a-f]{32})-(?<parentId>[0-9a-f]{16})-[0-9a-f]{2}(?<more>-.*)?$/;
const ZEROS = /^0+$/;
const MOST_CHARS = 255;

/** Null for what is no `traceparent` (section 3.2): it is as if it had not come. */
export function readTrace(header: unknown): Trace | null {
  if (typeof header !== 'string' || header.length > MOST_CHARS) return null;
  const { version, traceId = '', parentId = '', more } = FORM.exec(header)?.groups ?? {};
  if (version === undefined || version === 'ff' || ZEROS.test(traceId) || ZEROS.test(parentId)) return null;
  // Later versions may go on; the first has an end.
  if (version === '00' && more !== undefined) return null;
  return { traceparent: header, traceId };
}

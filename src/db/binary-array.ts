/**
 * One-dimensional arrays in PostgreSQL's binary format, as parameters of hot statements: the driver sends
 * a Buffer as it is, where it would write and escape a list of texts value by value.
 *
 *     int32 dimensions = 1 │ int32 has nulls │ int32 element type
 *     int32 length         │ int32 lower bound = 1
 *     then for each value: int32 bytes (-1: null) and the bytes
 *
 * The formats of the elements are those of the types' own `…_recv` functions in PostgreSQL's source.
 */
const HEADER_BYTES = 20;
const OID = { bool: 16, bytea: 17, int4: 23, text: 25, timestamptz: 1184, uuid: 2950 } as const;
/** PostgreSQL counts time from the year 2000. */
const EPOCH_2000_MS = 946_684_800_000;

/** @param text of each item. */
export function textArray<T>(items: readonly T[], text: (item: T) => string | null): Buffer {
  // A character takes at most three bytes of UTF-8: room enough without encoding everything twice.
  let most = HEADER_BYTES;
  for (const item of items) most += 4 + (text(item)?.length ?? 0) * 3;
  const array = begin(OID.text, items.length, most);
  let at = HEADER_BYTES;
  for (const item of items) {
    const value = text(item);
    const length = value === null ? 0 : array.write(value, at + 4);
    array.writeInt32BE(value === null ? -1 : length, at);
    at += 4 + length;
  }
  return array.subarray(0, at);
}

export function byteaArray(values: readonly Buffer[]): Buffer {
  const array = begin(
    OID.bytea,
    values.length,
    HEADER_BYTES + values.reduce((sum, { length }) => sum + 4 + length, 0),
  );
  let at = HEADER_BYTES;
  for (const value of values) {
    array.writeInt32BE(value.length, at);
    value.copy(array, at + 4);
    at += 4 + value.length;
  }
  return array;
}

export function boolArray(values: readonly boolean[]): Buffer {
  return fixedArray(OID.bool, 1, values, (array, value, at) => array.writeUInt8(value ? 1 : 0, at));
}

export function int4Array(values: readonly number[]): Buffer {
  return fixedArray(OID.int4, 4, values, (array, value, at) => array.writeInt32BE(value, at));
}

/** From milliseconds since 1970. */
export function timestamptzArray(values: readonly number[]): Buffer {
  return fixedArray(OID.timestamptz, 8, values, (array, value, at) =>
    array.writeBigInt64BE(BigInt(value - EPOCH_2000_MS) * 1_000n, at),
  );
}

/** From UUIDs in their usual written form. */
export function uuidArray(values: readonly string[]): Buffer {
  return fixedArray(OID.uuid, 16, values, (array, value, at) =>
    array.write(value.replaceAll('-', ''), at, 'hex'),
  );
}

function fixedArray<T>(
  oid: number,
  width: number,
  values: readonly T[],
  write: (array: Buffer, value: T, at: number) => void,
): Buffer {
  const array = begin(oid, values.length, HEADER_BYTES + values.length * (4 + width));
  let at = HEADER_BYTES;
  for (const value of values) {
    array.writeInt32BE(width, at);
    write(array, value, at + 4);
    at += 4 + width;
  }
  return array;
}

function begin(oid: number, length: number, bytes: number): Buffer {
  const array = Buffer.allocUnsafe(bytes);
  array.writeInt32BE(1, 0);
  array.writeInt32BE(1, 4);
  array.writeInt32BE(oid, 8);
  array.writeInt32BE(length, 12);
  array.writeInt32BE(1, 16);
  return array;
}

import { ModelFileError } from "./errors.js";

/**
 * A field of a protobuf message: its number, and its value. The value is a number for a varint, the
 * bytes for a message or a text, and 0 for fixed sizes, which are not read.
 *
 * @typedef {[number: number, value: number | Uint8Array]} Field
 */

/**
 * Return the error for a file whose bytes were changed.
 * @param {string} what
 */
export const damaged = (what) => new ModelFileError(`damaged or not an ONNX file: ${what}`);

/**
 * Yield the fields of a protobuf message. Messages inside it stay bytes, so large ones cost nothing.
 *
 * @param {Uint8Array} bytes
 * @returns {Generator<Field>}
 * @throws {ModelFileError} the bytes do not parse.
 */
export function* fields(bytes) {
  let at = 0;
  const varint = () => {
    for (let value = 0, place = 1, size = 0; size < 10; size += 1, place *= 128) {
      if (at >= bytes.length) break;
      const byte = bytes[at++];
      value += (byte & 127) * place;
      if (byte < 128) return value;
    }
    throw damaged("its bytes do not parse");
  };
  while (at < bytes.length) {
    const key = varint();
    const number = Math.floor(key / 8);
    const type = key % 8;
    if (type === 0) {
      yield [number, varint()];
      continue;
    }
    const size = type === 2 ? varint() : { 1: 8, 5: 4 }[type];
    if (!number || size === undefined || at + size > bytes.length) {
      throw damaged("its bytes do not parse");
    }
    yield [number, type === 2 ? bytes.subarray(at, at + size) : 0];
    at += size;
  }
}

/**
 * Return all values of one field that are messages or texts.
 *
 * @param {Uint8Array} bytes
 * @param {number} number
 */
export function messages(bytes, number) {
  const found = [];
  for (const [each, value] of fields(bytes)) {
    if (each !== number) continue;
    if (typeof value === "number") throw damaged("its bytes do not parse");
    found.push(value);
  }
  return found;
}

/**
 * Return the last value of one field that is a number, or `otherwise`.
 *
 * @template T
 * @param {Uint8Array} bytes
 * @param {number} number
 * @param {T} otherwise
 */
export function integer(bytes, number, otherwise) {
  /** @type {number | T} */
  let found = otherwise;
  for (const [each, value] of fields(bytes)) {
    if (each === number && typeof value === "number") found = value;
  }
  return found;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Return the last value of one field as text. It is empty if there is none.
 *
 * @param {Uint8Array} bytes
 * @param {number} number
 */
export function text(bytes, number) {
  const found = messages(bytes, number).pop() ?? new Uint8Array();
  try {
    return utf8.decode(found);
  } catch {
    throw damaged("a text in it is not UTF-8");
  }
}

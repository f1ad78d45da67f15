import { ModelFileError } from "../errors.js";

/**
 * The fields of a protobuf message by number, each with its values in order. A value is a number for
 * a varint, the bytes for a message or a text, and 0 for fixed sizes, which are not read.
 *
 * @typedef {Record<number, (number | Uint8Array)[]>} Fields
 */

/**
 * Return the error for a file whose bytes were changed.
 * @param {string} what
 */
export const damaged = (what) => new ModelFileError(`damaged or not an ONNX file: ${what}`);

const unparsable = () => damaged("its bytes do not parse");

/**
 * Read the fields of a protobuf message. Messages inside it stay bytes, so large ones cost nothing.
 *
 * @param {Uint8Array} bytes
 * @returns {Fields}
 * @throws {ModelFileError} the bytes do not parse.
 */
export function parse(bytes) {
  /** @type {Fields} */
  const found = {};
  let at = 0;
  const varint = () => {
    for (let value = 0, place = 1, size = 0; size < 10 && at < bytes.length; size += 1) {
      const byte = bytes[at++];
      value += (byte & 127) * place;
      if (byte < 128) return value;
      place *= 128;
    }
    throw unparsable();
  };
  while (at < bytes.length) {
    const key = varint();
    const type = key % 8;
    const number = (key - type) / 8;
    let value = type === 0 || type === 2 ? varint() : 0;
    if (type) {
      const size = type === 2 ? value : { 1: 8, 5: 4 }[type];
      if (size === undefined || at + size > bytes.length) throw unparsable();
      at += size;
    }
    if (!number) throw unparsable();
    (found[number] ??= []).push(type === 2 ? bytes.subarray(at - value, at) : value);
  }
  return found;
}

/**
 * Return all values of one field that are messages or texts.
 *
 * @param {Fields} fields
 * @param {number} number
 */
export const messages = (fields, number) =>
  (fields[number] ?? []).map((value) => {
    if (typeof value === "number") throw unparsable();
    return value;
  });

/**
 * Return the last value of one field that is a number, or `undefined`.
 *
 * @param {Fields} fields
 * @param {number} number
 */
export function integer(fields, number) {
  const value = fields[number]?.at(-1);
  return typeof value === "object" ? undefined : value;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Return the last value of one field as text. It is empty if there is none.
 *
 * @param {Fields} fields
 * @param {number} number
 */
export function text(fields, number) {
  try {
    return utf8.decode(messages(fields, number).at(-1));
  } catch (error) {
    throw error instanceof ModelFileError ? error : damaged("a text in it is not UTF-8");
  }
}

/** Getting the bytes of a model file. */

import { DeviceError, firstLine, ModelFileError, OptionError } from "../errors.js";

/**
 * Where a model file is: its bytes, a Blob or File, an address, or in Node.js a path.
 * @typedef {ArrayBuffer | ArrayBufferView | Blob | URL | string} Source
 */

/**
 * Read a model file.
 *
 * @param {Source} source
 * @returns {Promise<{bytes: Uint8Array, name: string}>} the bytes, and a name for messages
 * @throws {ModelFileError} the file cannot be read.
 */
export async function readSource(source) {
  if (source instanceof Blob) {
    const name = "name" in source ? String(source.name) : "model file";
    return { bytes: new Uint8Array(await source.arrayBuffer()), name };
  }
  if (typeof source === "string" || source instanceof URL) {
    const name = String(source);
    return { bytes: await (readPath(name) ?? download(name)), name };
  }
  const bytes = ArrayBuffer.isView(source)
    ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
    : source instanceof ArrayBuffer && new Uint8Array(source);
  if (!bytes) throw new OptionError("a model is loaded from bytes, a Blob, an address or a path");
  return { bytes, name: "model file" };
}

/**
 * Read a path or a file: address in Node.js. Elsewhere, and for other addresses, return nothing.
 * @param {string} name
 */
function readPath(name) {
  /** @type {any} */
  const process = Reflect.get(globalThis, "process");
  const files = process?.getBuiltinModule?.("node:fs/promises");
  if (!files || /^(?!file:)[a-z][a-z0-9+.-]+:/i.test(name)) return null;
  return files.readFile(name.startsWith("file:") ? new URL(name) : name).then(
    (/** @type {Uint8Array} */ bytes) => bytes,
    (/** @type {{code: string}} */ { code }) => {
      throw new ModelFileError(`${name}: cannot be read (${code}); check the path`);
    },
  );
}

/** @param {string} address */
async function download(address) {
  let response;
  try {
    response = await fetch(address);
    if (response.ok) return new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    throw new ModelFileError(
      `${address}: cannot be downloaded (${firstLine(error)}); check the address and the network`,
    );
  }
  const status = `${response.status} ${response.statusText}`.trim();
  throw new ModelFileError(`${address}: cannot be downloaded (${status}); check the address`);
}

/**
 * Return the SHA-256 of bytes, hexadecimal.
 *
 * @param {Uint8Array} bytes
 * @returns {Promise<string>}
 * @throws {DeviceError} the page may not use the browser's cryptography.
 */
export async function sha256(bytes) {
  if (!globalThis.crypto?.subtle) {
    throw new DeviceError(
      "this page may not compute SHA-256, which saved sessions and the option sha256 need; " +
        "serve it over https or from localhost",
    );
  }
  const digest = await crypto.subtle.digest("SHA-256", /** @type {BufferSource} */ (bytes));
  return Array.from(new Uint8Array(digest), (each) => each.toString(16).padStart(2, "0")).join("");
}

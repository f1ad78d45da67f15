/** Opening a session of onnxruntime. */

import { DeviceError, firstLine, ModelFileError, RuntimeMissingError } from "../errors.js";

/**
 * What this package uses of an onnxruntime module: `onnxruntime-web`, `onnxruntime-web/wasm`,
 * `onnxruntime-node` and their like.
 *
 * @typedef {object} Runtime
 * @property {import("onnxruntime-common").InferenceSessionFactory} InferenceSession
 * @property {import("onnxruntime-common").TensorConstructor} Tensor
 * @property {import("onnxruntime-common").Env} [env]
 */

/** One thread: more only slow down one stream. */
const DEFAULTS = { intraOpNumThreads: 1, interOpNumThreads: 1 };

/**
 * Return the module, also if it came as the default export of another.
 *
 * @param {any} ort
 * @returns {Runtime}
 * @throws {RuntimeMissingError} it is no onnxruntime.
 */
export function checkRuntime(ort) {
  const found = [ort, ort?.default].find((each) => each?.InferenceSession && each.Tensor);
  if (found) return found;
  throw new RuntimeMissingError(
    "no onnxruntime was given; install onnxruntime-web or onnxruntime-node and pass the imported " +
      "module: load(source, { ort })",
  );
}

/**
 * Open a session.
 *
 * @param {Runtime} ort
 * @param {Uint8Array} bytes
 * @param {string} name
 * @param {import("onnxruntime-common").InferenceSession.SessionOptions} options
 * @throws {DeviceError} onnxruntime does not start here.
 * @throws {ModelFileError} onnxruntime refuses the file.
 */
export async function openSession(ort, bytes, name, options) {
  const wasm = ort.env?.wasm;
  if (wasm) wasm.numThreads ??= 1;
  try {
    // A proxy worker takes the buffer away from the caller, so it gets a copy.
    const own = wasm?.proxy ? bytes.slice() : bytes;
    return await ort.InferenceSession.create(own, { ...DEFAULTS, ...options });
  } catch (error) {
    const reason = firstLine(error);
    if (/backend|wasm|webassembly|webgpu|adapter|fetch|import/i.test(reason)) {
      throw new DeviceError(
        `onnxruntime does not start here (${reason}); use a browser with WebAssembly SIMD, and ` +
          "serve the .wasm file of onnxruntime beside its module",
      );
    }
    throw new ModelFileError(`${name}: onnxruntime refuses the graph: ${reason}; export it again`);
  }
}

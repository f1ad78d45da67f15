import { DeviceError, firstLine } from "../errors.js";

/** How far a logit may lie from the recorded one, if the file does not say. */
const TOLERANCE = 1e-3;
const ADVICE =
  "use the wasm or cpu provider: the webgpu provider of the plain import 'onnxruntime-web' is wrong " +
  "for int8 files, and float16 files need shader-f16; or export the file again";

/**
 * Repeat the recorded run of a file, and compare the last logits.
 *
 * @param {import("./stepper.js").Stepper} stepper
 * @throws {DeviceError} onnxruntime cannot run the file here, or computes other numbers.
 */
export async function checkGolden(stepper) {
  const { name, metadata } = stepper.file;
  const { tokens, logits, tolerance = TOLERANCE } = metadata.golden;
  const found = await stepper.forward([tokens], stepper.zeros(1)).catch((error) => {
    throw new DeviceError(`${firstLine(error)}; ${ADVICE}`);
  });
  const last = found.logits.subarray(-logits.length);
  const difference = Math.max(...logits.map((each, i) => Math.abs(each - last[i])));
  if (difference < tolerance) return; // NaN is no pass
  throw new DeviceError(
    `${name}: this onnxruntime computes other logits than the file's recorded run ` +
      `(difference ${difference.toPrecision(2)}, allowed ${tolerance}); ${ADVICE}`,
  );
}

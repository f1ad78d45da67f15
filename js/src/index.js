/**
 * Run small recurrent networks from one `.onnx` file, with any onnxruntime.
 *
 *     import * as ort from "onnxruntime-web/wasm";
 *     import { CharLM } from "rnn-infer";
 *     const lm = await CharLM.load("charlm.onnx", { ort });
 *     console.log(await lm.generate("ROMEO:", { length: 200, seed: 1 }));
 */

import { CharLM } from "./charlm.js";
import { Classifier } from "./classifier.js";
import { Stepper } from "./stepper.js";

export { CharLM, Classifier };
export { Session } from "./session.js";
export {
  DeviceError,
  ModelFileError,
  OptionError,
  RnnInferError,
  RuntimeMissingError,
  SnapshotError,
  UnknownCharacterError,
  WrongKindError,
} from "./errors.js";

/** @typedef {import("./charlm.js").GenerateOptions} GenerateOptions */
/** @typedef {import("./charlm.js").Generation} Generation */
/** @typedef {import("./charlm.js").NextChar} NextChar */
/** @typedef {import("./charlm.js").StreamOptions} StreamOptions */
/** @typedef {import("./classifier.js").ClassifyOptions} ClassifyOptions */
/** @typedef {import("./classifier.js").LabelProbability} LabelProbability */
/** @typedef {import("./classifier.js").Prediction} Prediction */
/** @typedef {import("./metadata.js").Metadata} Metadata */
/** @typedef {import("./sampling.js").Sampling} Sampling */
/** @typedef {import("./sampling.js").Seed} Seed */
/** @typedef {import("./scoring.js").Score} Score */
/** @typedef {import("./session.js").DrawOptions} DrawOptions */
/** @typedef {import("./source.js").Source} Source */
/** @typedef {import("./stepper.js").LoadOptions} LoadOptions */
/** @typedef {import("./text.js").Unknown} Unknown */

/**
 * Load a model file of either kind.
 *
 * @param {import("./source.js").Source} source
 * @param {import("./stepper.js").LoadOptions} options
 * @returns {Promise<CharLM | Classifier>} as the file's metadata says
 */
export async function load(source, options) {
  const stepper = await Stepper.open(source, options);
  return stepper.file.metadata.kind === "charlm" ? new CharLM(stepper) : new Classifier(stepper);
}

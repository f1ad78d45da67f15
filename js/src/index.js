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
import { CHARLM } from "./file/charlm_section.js";
import { CLASSIFIER } from "./file/classifier_section.js";
import { Stepper } from "./runtime/stepper.js";

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
/** @typedef {import("./charlm.js").NextChar} NextChar */
/** @typedef {import("./charlm.js").StreamOptions} StreamOptions */
/** @typedef {import("./classifier.js").ClassifyOptions} ClassifyOptions */
/** @typedef {import("./classifier.js").TraceOptions} TraceOptions */
/** @typedef {import("./drawing/sampling.js").LogitBias} LogitBias */
/** @typedef {import("./drawing/sampling.js").Sampling} Sampling */
/** @typedef {import("./drawing/seeds.js").Seed} Seed */
/** @typedef {import("./file/metadata.js").Metadata} Metadata */
/** @typedef {import("./file/source.js").Source} Source */
/** @typedef {import("./generation.js").Generation} Generation */
/** @typedef {import("./predictions.js").LabelProbability} LabelProbability */
/** @typedef {import("./predictions.js").Prediction} Prediction */
/** @typedef {import("./runtime/stepper.js").LoadOptions} LoadOptions */
/** @typedef {import("./scoring.js").Score} Score */
/** @typedef {import("./session.js").DrawOptions} DrawOptions */
/** @typedef {import("./text/vocabulary.js").Unknown} Unknown */

/**
 * Load a model file of either kind.
 *
 * @param {import("./file/source.js").Source} source
 * @param {import("./runtime/stepper.js").LoadOptions} options
 * @returns {Promise<CharLM | Classifier>} as the file's metadata says
 */
export async function load(source, options) {
  const stepper = await Stepper.open(source, options, { ...CHARLM, ...CLASSIFIER });
  return stepper.file.metadata.charlm ? new CharLM(stepper) : new Classifier(stepper);
}

/** Reading a model file: its metadata document, and the inputs and outputs of its graph. */

import { ModelFileError } from "../errors.js";
import { readInterface } from "./interface.js";
import { METADATA_KEY, parseMetadata } from "./metadata.js";
import { damaged, integer, messages, parse, text } from "./protobuf.js";

/**
 * A file that passed the checks.
 *
 * @typedef {object} OwnParts
 * @property {string} name The address or name that messages show.
 * @property {import("./metadata.js").Metadata} metadata
 * @property {number} outputs The width of the logits: the number of labels, or of characters.
 */

/** @typedef {OwnParts & import("./interface.js").Interface} ModelFile */

const MAX_METADATA_BYTES = 8 * 2 ** 20;

/**
 * Read and check a model file.
 *
 * @param {Uint8Array} bytes
 * @param {string} name
 * @param {import("./metadata.js").Kinds} kinds the kinds of model that the caller can use
 * @returns {ModelFile}
 * @throws {ModelFileError} the file breaks a rule.
 * @throws {import("../errors.js").WrongKindError} the file is of another kind.
 */
export function readModelFile(bytes, name, kinds) {
  try {
    if (!bytes.length) throw new ModelFileError("is empty; fetch it again");
    if (String(bytes.slice(4, 8)) === "79,82,84,77") {
      throw new ModelFileError("is an .ort file; load the .onnx file that it was made from");
    }
    const model = parse(bytes);
    checkVersions(model);
    const metadata = parseMetadata(documentOf(model), kinds);
    const outputs = (metadata.classifier?.labels ?? metadata.vocabulary).length;
    const graphs = messages(model, 7);
    if (graphs.length !== 1) throw damaged("it has no graph, or several");
    const own = readInterface(parse(graphs[0]), metadata, outputs);
    return { name, metadata, outputs, ...own };
  } catch (error) {
    if (error instanceof ModelFileError) error.message = `${name}: ${error.message}`;
    throw error;
  }
}

/** @param {import("./protobuf.js").Fields} model */
function checkVersions(model) {
  const version = integer(model, 1) ?? 0;
  if (version < 8 || version > 10) throw damaged("it has no ONNX IR version from 8 to 10");
  for (const bytes of messages(model, 8)) {
    const opset = parse(bytes);
    const domain = text(opset, 1);
    const own = integer(opset, 2) ?? 0;
    if (domain) throw foreign(`it uses operator domain '${domain}'`);
    if (own < 17 || own > 21) {
      throw new ModelFileError(
        `opset ${own} is outside 17..21: too new or too old; export the file again`,
      );
    }
  }
}

/** @param {string} what */
const foreign = (what) => new ModelFileError(`not a model made by rnn-train: ${what}`);

/**
 * Return the metadata document. It is in field 14 of the file: entries {1: key, 2: value}.
 * @param {import("./protobuf.js").Fields} model
 */
function documentOf(model) {
  const entries = messages(model, 14).map(parse);
  const found = entries.filter((entry) => text(entry, 1) === METADATA_KEY);
  if (!found.length) throw foreign(`it has no '${METADATA_KEY}' metadata; export it with rnn-train`);
  // onnxsim writes a report on its work under keys of its own. Nothing reads them.
  const other = entries.find((entry) => !/^(rnn_model$|onnxsim\.)/.test(text(entry, 1)));
  if (other || found.length > 1) {
    const what = other ? `the key '${text(other, 1).slice(0, 80)}'` : "a second copy";
    throw foreign(`it has ${what} beside the one '${METADATA_KEY}' document; load the exported file`);
  }
  const document = text(found[0], 2);
  if (document.length > MAX_METADATA_BYTES) {
    throw new ModelFileError("its metadata is larger than the limit; export it again");
  }
  return document;
}

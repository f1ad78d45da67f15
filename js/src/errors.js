/**
 * The errors that this package throws on purpose: the same as in Python's `rnn_infer`.
 *
 *     RnnInferError
 *     ├── RuntimeMissingError    no onnxruntime was given
 *     ├── DeviceError            onnxruntime does not work here, or computes wrong numbers
 *     ├── ModelFileError         the model file is bad
 *     │   └── WrongKindError     the file is good, but of another kind
 *     ├── UnknownCharacterError  a character is not in the vocabulary
 *     ├── OptionError            an argument is out of range
 *     └── SnapshotError          the bytes are not a session of this model
 *
 * Each message is one line: what is wrong, then what to do.
 */

/** The base class of all errors of this package. */
export class RnnInferError extends Error {
  get name() {
    return this.constructor.name;
  }
}

/** No onnxruntime was given. */
export class RuntimeMissingError extends RnnInferError {}

/** The onnxruntime that was given cannot run the model here, or computes wrong numbers. */
export class DeviceError extends RnnInferError {}

/** The file is missing, damaged, from another program, too new, or breaks the format. */
export class ModelFileError extends RnnInferError {}

/** The file is good, but holds another kind of model than the caller asked for. */
export class WrongKindError extends ModelFileError {}

/** A text has a character that is not in the model's vocabulary. */
export class UnknownCharacterError extends RnnInferError {}

/** An argument is out of range. */
export class OptionError extends RnnInferError {}

/** The bytes of a saved session are damaged, or belong to another model file. */
export class SnapshotError extends RnnInferError {}

/**
 * Return the first line of what was thrown.
 * @param {unknown} error
 */
export function firstLine(error) {
  return String(error instanceof Error ? error.message : error).split("\n")[0].slice(0, 300);
}

/**
 * Return a value as messages show it, in one line.
 * @param {unknown} value
 */
export function shown(value) {
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.split("\n")[0].slice(0, 60);
}

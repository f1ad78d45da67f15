/** The inputs of one call of a model. */

/** In `tokens` of a fixed-step file: take the token drawn at the step before. */
export const DRAWN = -1;
/** In `tokens` of a fixed-step file: this step is skipped. */
export const NO_STEP = -2;
/** @type {import("./sampling.js").Sampling} */
const UNUSED = { temperature: 1, topK: 0, topP: 1 };

/**
 * What goes into a call. One that draws nothing has no uniforms.
 *
 * @typedef {object} Given
 * @property {number[][]} tokens [batch, time]
 * @property {import("./stepper.js").State} state
 * @property {Float32Array[]} [uniform] [batch, count]
 * @property {import("./sampling.js").Sampling} [sampling]
 */

/**
 * Return the inputs of a call by name.
 *
 * @param {import("onnxruntime-common").TensorConstructor} Tensor
 * @param {import("./model_file.js").ModelFile} file
 * @param {Given} given
 */
export function makeFeeds(Tensor, file, { tokens, state, uniform, sampling = UNUSED }) {
  const batch = tokens.length;
  /** @param {ArrayLike<number>} values @param {number[]} dims */
  const floats = (values, ...dims) => new Tensor("float32", Float32Array.from(values), dims);
  /** @param {number[]} values @param {number[]} dims */
  const integers = (values, ...dims) =>
    new Tensor("int64", BigInt64Array.from(values, BigInt), dims);
  /** @param {number} value */
  const repeat = (value) => Array(batch).fill(value);
  /** @type {Record<string, import("onnxruntime-common").Tensor>} */
  const feeds = { tokens: integers(tokens.flat(), batch, tokens[0].length) };
  file.states.forEach(({ name, width }, i) => {
    feeds[name] = new Tensor("float32", state[i], [batch, width]);
  });
  if (!file.generates) return feeds;
  const size = file.steps ?? uniform?.[0].length ?? 0;
  const numbers = new Float32Array(batch * size);
  uniform?.forEach((row, i) => numbers.set(row, i * size));
  feeds.uniform = floats(numbers, batch, size);
  feeds.temperature = floats(repeat(sampling.temperature), batch);
  feeds.top_k = integers(repeat(sampling.topK), batch);
  feeds.top_p = floats(repeat(sampling.topP), batch);
  return feeds;
}

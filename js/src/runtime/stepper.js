/**
 * The stepper: runs a checked file on tokens. It knows nothing of text.
 *
 * Tokens go in, logits or drawn tokens come out. The caller holds the state, so a stepper never
 * changes, and any number of streams may share it.
 */

import { firstLine, ModelFileError } from "../errors.js";
import { readModelFile } from "../file/model_file.js";
import { readSource, sha256 } from "../file/source.js";
import { withDefaults } from "../options.js";
import { checkGolden } from "./golden.js";
import { checkRuntime, openSession } from "./onnxruntime.js";

/** In `tokens` of a fixed-step file: this step is skipped. */
export const NO_STEP = -2;

/**
 * One float32 array [batch, width] per state of the file, in the file's order.
 * @typedef {Float32Array[]} State
 */

/**
 * How to load a model file.
 *
 * @typedef {object} LoadOptions
 * @property {unknown} ort The imported onnxruntime module.
 * @property {import("onnxruntime-common").InferenceSession.SessionOptions} [sessionOptions] Options
 *   of onnxruntime's session. By default it has one thread.
 * @property {string} [sha256] The expected SHA-256 of the file, hexadecimal.
 */

/**
 * What a call draws: a number in [0, 1) for each token, [batch, steps], and how.
 *
 * @typedef {object} Draws
 * @property {Float32Array} uniform
 * @property {number} temperature
 * @property {number} topK
 * @property {number} topP
 */

/** @type {Draws} */
const NO_DRAWS = { uniform: new Float32Array(), temperature: 1, topK: 0, topP: 1 };

/** Runs a model file. */
export class Stepper {
  #ort;
  #session;
  /** @type {Promise<unknown>} */
  #turn = Promise.resolve();

  /**
   * @param {import("../file/model_file.js").ModelFile} file
   * @param {import("./onnxruntime.js").Runtime} ort
   * @param {import("onnxruntime-common").InferenceSession} session
   * @param {Promise<string>} hash
   */
  constructor(file, ort, session, hash) {
    this.file = file;
    this.#ort = ort;
    this.#session = session;
    /** The SHA-256 of the file, hexadecimal. */
    this.sha256 = hash;
  }

  /**
   * Read, check and open a file, and repeat its recorded run.
   *
   * @param {import("../file/source.js").Source} source
   * @param {LoadOptions} options
   * @param {import("../file/metadata.js").Kinds} kinds the kinds of model that the caller can use
   */
  static async open(source, options, kinds) {
    /** @type {Required<LoadOptions>} */
    const defaults = { ort: null, sessionOptions: {}, sha256: "" };
    const given = withDefaults(options, defaults);
    const ort = checkRuntime(given.ort);
    const { bytes, name } = await readSource(source);
    const hash = sha256(bytes);
    hash.catch(() => {}); // only those who need it learn that there is none
    if (given.sha256 && (await hash) !== given.sha256.toLowerCase()) {
      throw new ModelFileError(
        `${name}: sha256 is ${await hash}, not ${given.sha256} as required; fetch the file again`,
      );
    }
    const file = readModelFile(bytes, name, kinds);
    const session = await openSession(ort, bytes, name, given.sessionOptions);
    const stepper = new Stepper(file, ort, session, hash);
    await checkGolden(stepper);
    return stepper;
  }

  /** Free the memory of the session. */
  async release() {
    await this.#session.release();
  }

  /**
   * Return the state of streams that have read nothing.
   *
   * @param {number} batch
   * @returns {State}
   */
  zeros(batch) {
    return this.file.states.map(({ width }) => new Float32Array(batch * width));
  }

  /**
   * Read tokens and return the logits after each, [batch, time, n], and the state after the last.
   *
   * @param {number[][]} tokens [batch, time], time ≥ 1
   * @param {State} state
   * @returns {Promise<{logits: Float32Array, state: State}>}
   */
  async forward(tokens, state) {
    const { outputs, steps } = this.file;
    const time = tokens[0].length;
    const size = steps ?? time;
    if (size === time) return this.#logits(tokens, state);
    const logits = new Float32Array(tokens.length * time * outputs);
    for (let begin = 0; begin < time; begin += size) {
      const found = await this.#logits(this.#piece(tokens, begin), state);
      const used = Math.min(size, time - begin) * outputs;
      for (let row = 0; row < tokens.length; row += 1) {
        const from = row * size * outputs;
        logits.set(found.logits.subarray(from, from + used), (row * time + begin) * outputs);
      }
      state = found.state;
    }
    return { logits, state };
  }

  /** @param {number[][]} tokens @param {State} before */
  async #logits(tokens, before) {
    const { values, state } = await this.call("logits", tokens, before);
    return { logits: /** @type {Float32Array} */ (values), state };
  }

  /**
   * Read tokens and return only the state after the last.
   *
   * @param {number[][]} tokens [batch, time], time ≥ 0
   * @param {State} state
   */
  async consume(tokens, state) {
    const time = tokens[0].length;
    for (let begin = 0; begin < time && state.length; begin += this.file.steps ?? time) {
      ({ state } = await this.call(null, this.#piece(tokens, begin), state));
    }
    return state;
  }

  /**
   * Return the tokens of one call. In a fixed-step file steps after the last token are skipped.
   *
   * @param {number[][]} tokens @param {number} begin
   */
  #piece(tokens, begin) {
    const { steps } = this.file;
    return steps === null
      ? tokens
      : tokens.map((row) => Array.from({ length: steps }, (_, i) => row[begin + i] ?? NO_STEP));
  }

  /**
   * Run one call. Return one output, whose shape is checked, and the next state.
   *
   * @param {"logits" | "generated" | null} output
   * @param {number[][]} tokens [batch, time]; in a fixed-step file time is its number of steps
   * @param {State} state
   * @param {Draws} [draws] what to draw
   */
  async call(output, tokens, state, draws = NO_DRAWS) {
    const [batch, time] = [tokens.length, tokens[0].length];
    const { states, outputs, steps } = this.file;
    const count = draws === NO_DRAWS ? (steps ?? 0) : draws.uniform.length / batch;
    const names = states.map(({ name }) => name + "_next");
    const feeds = this.#feeds(tokens, state, draws, count);
    const found = await this.#run(feeds, output ? [output, ...names] : names);
    /** @param {string} name @param {number[]} dims */
    const checked = (name, ...dims) => {
      if (String(found[name].dims) === String(dims)) return found[name].data;
      throw this.broken("returns other shapes than it declares");
    };
    const last = output === "logits" ? [time, outputs] : [count];
    return {
      values: /** @type {Float32Array | BigInt64Array} */ (
        output ? checked(output, batch, ...last) : draws.uniform
      ),
      state: states.map(
        (each, i) => /** @type {Float32Array} */ (checked(names[i], batch, each.width)),
      ),
    };
  }

  /**
   * Return the inputs of a call by name.
   *
   * @param {number[][]} tokens @param {State} state @param {Draws} draws @param {number} count
   */
  #feeds(tokens, state, draws, count) {
    const { Tensor } = this.#ort;
    const batch = tokens.length;
    /** @param {Float32Array} values @param {number} width */
    const floats = (values, width) => new Tensor("float32", values, [batch, width]);
    /** @param {number[]} values @param {number[]} dims */
    const integers = (values, ...dims) =>
      new Tensor("int64", BigInt64Array.from(values, BigInt), [batch, ...dims]);
    /** @param {number} value */
    const each = (value) => new Tensor("float32", new Float32Array(batch).fill(value), [batch]);
    /** @type {Record<string, import("onnxruntime-common").Tensor>} */
    const feeds = { tokens: integers(tokens.flat(), tokens[0].length) };
    this.file.states.forEach(({ name, width }, i) => (feeds[name] = floats(state[i], width)));
    if (!this.file.generates) return feeds;
    const { uniform, temperature, topK, topP } = draws;
    return Object.assign(feeds, {
      uniform: floats(uniform.length ? uniform : new Float32Array(batch * count), count),
      temperature: each(temperature),
      top_k: integers(Array(batch).fill(topK)),
      top_p: each(topP),
    });
  }

  /**
   * Run the session. Calls take turns, because some hosts allow one at a time.
   *
   * @param {Record<string, import("onnxruntime-common").Tensor>} feeds
   * @param {string[]} names
   */
  async #run(feeds, names) {
    const run = this.#turn.then(() => this.#session.run(feeds, names));
    this.#turn = run.catch(() => {});
    try {
      return await run;
    } catch (error) {
      throw this.broken(`fails when run: ${firstLine(error)}`);
    }
  }

  /** Return the error for a wrong graph. @param {string} what */
  broken(what) {
    return new ModelFileError(`${this.file.name}: the graph ${what}; export the file again`);
  }

  /** Return the error for a model that returns NaN or infinity. */
  notFinite() {
    return new ModelFileError(
      `${this.file.name}: returns NaN or infinity, which are no numbers: its weights are damaged ` +
        "or its training diverged; export it again",
    );
  }
}

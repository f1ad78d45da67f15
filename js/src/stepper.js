/**
 * The stepper: runs a checked file on tokens. It knows nothing of text.
 *
 * Tokens go in, logits or drawn tokens come out. The caller holds the state, so a stepper never
 * changes, and any number of streams may share it.
 */

import { firstLine, ModelFileError } from "./errors.js";
import { DRAWN, makeFeeds, NO_STEP } from "./feeds.js";
import { checkGolden } from "./golden.js";
import { readModelFile } from "./model_file.js";
import { withDefaults } from "./options.js";
import { checkRuntime, openSession } from "./runtime.js";
import { draw } from "./sampling.js";
import { readSource, sha256 } from "./source.js";

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

/** @typedef {import("./sampling.js").Sampling} Sampling */
/** @typedef {{logits: Float32Array, state: State}} Read */

/** Runs a model file. */
export class Stepper {
  #ort;
  #session;
  #hash;
  /** @type {Promise<unknown>} */
  #turn = Promise.resolve();

  /**
   * @param {import("./model_file.js").ModelFile} file
   * @param {import("./runtime.js").Runtime} ort
   * @param {import("onnxruntime-common").InferenceSession} session
   * @param {Promise<string>} hash
   */
  constructor(file, ort, session, hash) {
    this.file = file;
    this.#ort = ort;
    this.#session = session;
    this.#hash = hash;
  }

  /**
   * Read, check and open a file, and repeat its recorded run.
   *
   * @param {import("./source.js").Source} source
   * @param {LoadOptions} options
   */
  static async open(source, options) {
    /** @type {Required<LoadOptions>} */
    const defaults = { ort: null, sessionOptions: {}, sha256: "" };
    const given = withDefaults(options ?? {}, defaults);
    const ort = checkRuntime(given.ort);
    const { bytes, name } = await readSource(source);
    const hash = sha256(bytes);
    hash.catch(() => {}); // only those who need it learn that there is none
    if (given.sha256 && (await hash) !== given.sha256.toLowerCase()) {
      throw new ModelFileError(
        `${name}: sha256 is ${await hash}, not ${given.sha256} as required; fetch the file again`,
      );
    }
    const file = readModelFile(bytes, name);
    const session = await openSession(ort, bytes, name, given.sessionOptions);
    const stepper = new Stepper(file, ort, session, hash);
    await checkGolden(stepper);
    return stepper;
  }

  /** The SHA-256 of the file, hexadecimal. */
  get sha256() {
    return this.#hash;
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
   * @returns {Promise<Read>}
   */
  async forward(tokens, state) {
    const [batch, time, n] = [tokens.length, tokens[0].length, this.file.outputs];
    const size = this.file.steps ?? time;
    const logits = new Float32Array(batch * time * n);
    for (let begin = 0; begin < time; begin += size) {
      const found = await this.#call("logits", this.#piece(tokens, begin, size), state, size);
      const values = /** @type {Float32Array} */ (found.values);
      const used = Math.min(size, time - begin) * n;
      for (let row = 0; row < batch; row += 1) {
        const from = row * size * n;
        logits.set(values.subarray(from, from + used), (row * time + begin) * n);
      }
      state = found.state;
    }
    return { logits, state };
  }

  /**
   * Read tokens and return only the state after the last.
   *
   * @param {number[][]} tokens [batch, time], time ≥ 0
   * @param {State} state
   */
  async consume(tokens, state) {
    const time = tokens[0].length;
    const size = this.file.steps ?? time;
    for (let begin = 0; begin < time && state.length; begin += size) {
      ({ state } = await this.#call(null, this.#piece(tokens, begin, size), state, size));
    }
    return state;
  }

  /**
   * Read one token per row, then draw a token and feed it back, once per uniform.
   *
   * @param {number[]} pending [batch]
   * @param {State} state
   * @param {Float32Array[]} uniform [batch, count] in [0, 1), count ≥ 1
   * @param {Sampling} sampling
   * @returns {Promise<{drawn: number[][], state: State}>} Drawn tokens [batch, count], and the
   *   state that has read all but the last of them.
   */
  async draw(pending, state, uniform, sampling) {
    const count = uniform[0].length;
    /** @type {number[][]} */
    const drawn = pending.map(() => []);
    const size = this.file.generates ? (this.file.steps ?? count) : 1;
    for (let begin = 0; begin < count; begin += size) {
      const some = uniform.map((row) => row.subarray(begin, begin + size));
      const found = await (this.file.generates
        ? this.#generate(pending, state, some, sampling)
        : this.#step(pending, state, some, sampling));
      drawn.forEach((row, i) => row.push(...found.drawn[i]));
      pending = drawn.map((row) => row[row.length - 1]);
      state = found.state;
    }
    return { drawn, state };
  }

  /**
   * Draw in the graph: one call.
   *
   * @param {number[]} pending @param {State} state @param {Float32Array[]} uniform
   * @param {Sampling} sampling
   */
  async #generate(pending, state, uniform, sampling) {
    const count = uniform[0].length;
    const size = this.file.steps ?? count;
    const tokens = pending.map((token) => {
      const row = Array(this.file.steps ? size : 1).fill(DRAWN);
      row[0] = token;
      return row.fill(NO_STEP, count);
    });
    const found = await this.#call("generated", tokens, state, size, uniform, sampling);
    const values = Array.from(found.values, Number);
    if (values.some((token) => token < 0 || token >= this.file.outputs)) {
      throw this.#broken("draws tokens outside its vocabulary");
    }
    const drawn = uniform.map((row, i) => values.slice(i * size, i * size + row.length));
    return { drawn, state: found.state };
  }

  /**
   * Draw here, from the logits of one step.
   *
   * @param {number[]} pending @param {State} before @param {Float32Array[]} uniform
   * @param {Sampling} sampling
   */
  async #step(pending, before, uniform, sampling) {
    const { logits, state } = await this.forward(pending.map((token) => [token]), before);
    const n = this.file.outputs;
    const drawn = uniform.map(([each], i) => [
      draw(logits.subarray(i * n, (i + 1) * n), each, sampling),
    ]);
    return { drawn, state };
  }

  /**
   * Return the tokens of one call. In a fixed-step file steps after the last token are skipped.
   *
   * @param {number[][]} tokens @param {number} begin @param {number} size
   */
  #piece(tokens, begin, size) {
    return tokens.map((row) => {
      const some = row.slice(begin, begin + size);
      return this.file.steps ? [...some, ...Array(size - some.length).fill(NO_STEP)] : some;
    });
  }

  /**
   * Run one call. Return one output, whose shape is checked, and the next state.
   *
   * @param {"logits" | "generated" | null} output
   * @param {number[][]} tokens
   * @param {State} state
   * @param {number} size the time or the count of that output
   * @param {Float32Array[]} [uniform]
   * @param {Sampling} [sampling]
   */
  async #call(output, tokens, state, size, uniform, sampling) {
    const batch = tokens.length;
    const { states, outputs } = this.file;
    const names = states.map(({ name }) => name + "_next");
    const feeds = makeFeeds(this.#ort.Tensor, this.file, { tokens, state, uniform, sampling });
    const found = await this.#run(feeds, output ? [output, ...names] : names);
    /** @param {string} name @param {number[]} dims */
    const checked = (name, ...dims) => {
      if (String(found[name].dims) === String(dims)) return found[name].data;
      throw this.#broken("returns other shapes than it declares");
    };
    const width = output === "logits" ? [outputs] : [];
    return {
      values: /** @type {Float32Array | BigInt64Array} */ (
        output ? checked(output, batch, size, ...width) : new Float32Array()
      ),
      state: states.map(
        (each, i) => /** @type {Float32Array} */ (checked(names[i], batch, each.width)),
      ),
    };
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
      throw this.#broken(`fails when run: ${firstLine(error)}`);
    }
  }

  /** @param {string} what */
  #broken(what) {
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

/**
 * The bytes of a saved session: magic, header, state, checksum. They are the same as in Python.
 *
 * Layout, little-endian: 8 bytes magic; uint32 size of the header; the header, a JSON object; the
 * state tensors as float32, in the file's order; SHA-256 of all bytes before it.
 */

import { WINDOW } from "./drawing/repetition.js";
import { SnapshotError } from "./errors.js";
import { sha256 } from "./file/source.js";

const MAGIC = "RNNSESS1";
const FRAME_BYTES = 12;
const CHECKSUM_BYTES = 32;
// Not JSON.parse, which rounds seeds above 2^53.
const HEADER =
  /^{"model": "([0-9a-f]{64})", "started": (true|false), "pending": (\d+), "seed": (\d+), "position": (\d+)(?:, "recent": \[(\d+(?:, \d+)*)\])?}$/;

/** @typedef {import("./drawing/streams.js").Moment} Moment */

/**
 * Write a session of one stream as bytes.
 *
 * @param {string} model SHA-256 of the model file, hexadecimal
 * @param {bigint} seed
 * @param {Moment} moment
 */
export async function writeSnapshot(model, seed, moment) {
  const { state, pending, positions, recent, started } = moment;
  const header = new TextEncoder().encode(
    `${MAGIC}....{"model": "${model}", "started": ${started}, "pending": ${pending[0]}, ` +
      `"seed": ${seed}, "position": ${positions[0]}` +
      (recent[0].length ? `, "recent": [${recent[0].join(", ")}]}` : "}"),
  );
  const floats = state.reduce((sum, each) => sum + each.length, 0);
  const bytes = new Uint8Array(header.length + 4 * floats + CHECKSUM_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(header);
  view.setUint32(MAGIC.length, header.length - FRAME_BYTES, true);
  let at = header.length;
  for (const each of state) for (const value of each) view.setFloat32((at += 4) - 4, value, true);
  bytes.set(fromHex(await sha256(bytes.subarray(0, at))), at);
  return bytes;
}

/**
 * Read and check the bytes of a session.
 *
 * @param {Uint8Array} bytes
 * @param {string} model SHA-256 of the model file, hexadecimal
 * @param {import("./file/model_file.js").ModelFile} file
 * @returns {Promise<{seed: bigint, moment: Moment}>}
 * @throws {SnapshotError} the bytes are damaged, or belong to another model file.
 */
export async function readSnapshot(bytes, model, file) {
  const end = bytes.length - CHECKSUM_BYTES;
  const checksum = end >= FRAME_BYTES && fromHex(await sha256(bytes.subarray(0, end)));
  if (!checksum || checksum.some((each, i) => each !== bytes[end + i])) {
    throw new SnapshotError("these bytes are not a session, or are damaged (checksum); save again");
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, end);
  const start = FRAME_BYTES + view.getUint32(MAGIC.length, true);
  const text = new TextDecoder().decode(bytes.subarray(0, MAGIC.length));
  if (text !== MAGIC) {
    throw new SnapshotError("these bytes are not a session of a known version; upgrade rnn-infer");
  }
  const header = HEADER.exec(new TextDecoder().decode(bytes.subarray(FRAME_BYTES, start)));
  if (!header) throw new SnapshotError("the session's header is damaged; save the session again");
  const [, own, started, pending, seed, position, recent] = header;
  if (own !== model) {
    throw new SnapshotError("this session belongs to another model file; load that one");
  }
  const tokens = (recent?.split(", ") ?? []).map(Number);
  const numbers = [pending, ...tokens].map(Number).every((token) => token < file.outputs);
  const safe = Number(position) <= Number.MAX_SAFE_INTEGER && tokens.length <= WINDOW;
  if (!numbers || !safe || BigInt(seed) >> 64n) {
    throw new SnapshotError("the session's header is damaged (a number is out of range); save again");
  }
  return {
    seed: BigInt(seed),
    moment: {
      state: readState(view, start, end, file.states),
      pending: [Number(pending)],
      positions: [Number(position)],
      recent: [tokens],
      started: started === "true",
    },
  };
}

/** @param {DataView} view @param {number} start @param {number} end @param {{width: number}[]} specs */
function readState(view, start, end, specs) {
  const floats = specs.reduce((sum, { width }) => sum + width, 0);
  if (end - start !== 4 * floats) {
    throw new SnapshotError("the session's state has another size than the model's; save it again");
  }
  let at = start;
  return specs.map(({ width }) =>
    Float32Array.from({ length: width }, () => view.getFloat32((at += 4) - 4, true)),
  );
}

/** @param {string} hex */
const fromHex = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));

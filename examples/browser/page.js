/** The page: loads the two models, and shows what they write, read and believe. */

import { CharLM, load, OptionError, RnnInferError } from "rnn-infer";

import { element, percent, showBelief, showNext, shown } from "./views.js";

const FOLDER = new URL("../../exported/", import.meta.url);
/** Characters per call. The page stands still for the time of one call. */
const CHUNK = 24;
/** Nats that show as the full colour. */
const HOTTEST = 6;
/** The share of names whose label is in the set that the page shows, and the rows that it needs. */
const COVERAGE = 0.9;
const LEAST_ROWS = 9;

const $ = (id) => document.getElementById(id);

let lm = null;
let classifier = null;
/** Counts the generations: an older one ends when a newer one begins. */
let turn = 0;

// --- problems and status ---------------------------------------------------------------------

/** Say how things stand. A screen reader reads it out. */
function status(text) {
  $("status").textContent = text;
  progress("");
}

/** Show how far a generation is. It changes too often to be read out. */
const progress = (text) => ($("progress").textContent = text);

function problem(error) {
  const known = error instanceof RnnInferError;
  $("problem").textContent = known ? error.message : `This page has a fault: ${error}`;
  $("problem").hidden = false;
  if (!known) console.error(error);
}

/** What the problem in view came from. Only the same thing, done again, takes it away. */
let origin = "";

/** Do something. Show its error in the page. */
async function attempt(what, act) {
  if (what === origin) $("problem").hidden = true;
  try {
    return await act();
  } catch (error) {
    origin = what;
    problem(error);
    return undefined;
  }
}

/** Make a function that does something when the user has paused, and one that calls it off. */
function whenCalm(what, act, milliseconds) {
  let timer = 0;
  let last = Promise.resolve();
  const off = () => clearTimeout(timer);
  const soon = () => {
    off();
    timer = setTimeout(() => (last = last.then(() => attempt(what, act))), milliseconds);
  };
  return [soon, off];
}

// --- loading ---------------------------------------------------------------------------------

const runtime = import("onnxruntime-web/wasm").catch(() => {
  throw new RnnInferError(
    "onnxruntime-web is not there; run “npm ci” in the folder js/ and serve the root of the " +
      "repository, or put the address of a CDN into the import map of index.html",
  );
});

/** Load a model, and show what it does. Return the kind of the model. */
async function open(source, name) {
  status(`Loading ${name} …`);
  const begin = performance.now();
  const model = await load(source, { ort: await runtime });
  const seconds = ((performance.now() - begin) / 1000).toFixed(1);
  if (model instanceof CharLM) useCharLM(model);
  else useClassifier(model);
  status(`${name} is ready (${seconds} s).`);
  return model.metadata.kind;
}

const openNamed = (name) => attempt("model", () => open(new URL(name, FOLDER), name));

const openFile = (file) =>
  attempt("model", async () => {
    if (!file) return;
    if (!/\.onnx$/i.test(file.name)) {
      throw new OptionError(`${file.name} is no .onnx file; take one that rnn-train exported`);
    }
    const kind = await open(file, file.name);
    $(kind).add(new Option(file.name, "", true, true));
  });

function useCharLM(model) {
  lm?.release();
  lm = model;
  rest();
  $("generate").disabled = false;
  attempt("prompt", look);
  attempt("pasted", read);
}

function useClassifier(model) {
  classifier?.release();
  classifier = model;
  attempt("name", classify);
}

// --- write -----------------------------------------------------------------------------------

/** The options of the form, as the package names them. */
function chosen() {
  const seed = $("seed").value.trim();
  if (seed && !/^\d+$/.test(seed)) throw new OptionError("the seed is not a whole number; give digits");
  const [stop, forbid] = ["stop", "forbid"].map((name) => $(name).value.replaceAll("\\n", "\n"));
  const never = Array.from(forbid);
  const strange = never.find((char) => !lm.metadata.vocabulary.includes(char));
  if (strange !== undefined) {
    throw new OptionError(
      `“Never draw”: the model has no character ${JSON.stringify(strange)}; remove it there`,
    );
  }
  const lost = never.find((char) => stop.includes(char));
  if (lost !== undefined) {
    throw new OptionError(
      `“Stop before” waits for ${JSON.stringify(lost)}, which is in “Never draw”; remove it from one of them`,
    );
  }
  const options = {
    temperature: $("temperature").valueAsNumber,
    topP: $("top-p").valueAsNumber,
    stop: stop ? [stop] : [],
    logitBias: Object.fromEntries(never.map((char) => [char, -Infinity])),
    chunk: CHUNK,
  };
  return { seed: seed ? BigInt(seed) : null, length: $("length").valueAsNumber, options };
}

async function write() {
  if (!lm) return; // Ctrl+Enter before the model is there
  lookNoMore();
  const own = (turn += 1);
  const { seed, length, options } = chosen();
  const session = lm.session({ seed });
  const pieces = session.stream(length, options);
  const prompt = $("prompt").value;
  $("text").textContent = "";
  $("shown-prompt").textContent = prompt;
  $("text").ariaBusy = "true";
  $("halt").disabled = false;
  status("Writing …");
  try {
    await session.feed(prompt);
    const begin = performance.now();
    for await (const piece of pieces) {
      if (own !== turn) return;
      $("text").append(piece);
      $("paper").scrollTop = $("paper").scrollHeight;
      showNext($("next"), lm.metadata.vocabulary, await session.probabilities());
      const rate = session.position / ((performance.now() - begin) / 1000);
      progress(`${session.position} characters, ${Math.round(rate)} a second`);
    }
    showNext($("next"), lm.metadata.vocabulary, await session.probabilities());
    const end = session.stopped === null ? "" : `, stopped before ${shown(session.stopped)}`;
    status(`Done: ${session.position} characters of seed ${session.seed}${end}.`);
  } catch (error) {
    if (own === turn) throw error; // an ended generation may have lost its model
  } finally {
    if (own === turn) rest();
  }
}

/** End the generation, if there is one. */
function rest() {
  turn += 1;
  $("text").ariaBusy = "false";
  $("halt").disabled = true;
}

function halt() {
  rest();
  status("Stopped.");
}

/** Show what may follow the prompt. */
async function look() {
  if (!lm) return;
  const session = lm.session({ seed: 0 });
  await session.feed($("prompt").value);
  showNext($("next"), lm.metadata.vocabulary, await session.probabilities());
}

// --- read ------------------------------------------------------------------------------------

async function read() {
  if (!lm) return;
  const { text: rules, vocabulary } = lm.metadata;
  let text = $("pasted").value;
  if (rules.normalization === "NFC") text = text.normalize("NFC");
  const known = new Set(vocabulary);
  const chars = Array.from(text);
  const kept = chars.filter((char) => known.has(char));
  $("figures").textContent = "";
  $("reading").replaceChildren();
  if (kept.length < 2) {
    $("figures").textContent = "Write at least two characters that the model knows.";
    return;
  }
  const score = await lm.score(kept.join(""));
  $("figures").textContent =
    `${score.bitsPerChar.toFixed(2)} bits a character, as hard as a choice among ` +
    `${score.perplexity.toFixed(1)} equal ones`;
  let place = score.nats.length - kept.length; // a model of documents scores the first one too
  $("reading").replaceChildren(
    ...chars.map((char) => {
      const span = element("span", char);
      if (!known.has(char)) {
        span.className = "unknown";
        span.title = "outside the vocabulary";
        return span;
      }
      const nats = place < 0 ? 0 : score.nats[place];
      span.title = place < 0 ? "the first, not predicted" : `probability ${percent(Math.exp(-nats))}`;
      span.style.setProperty("--heat", (75 * Math.min(nats / HOTTEST, 1)).toFixed(0));
      place += 1;
      return span;
    }),
  );
}

// --- classify --------------------------------------------------------------------------------

async function classify() {
  if (!classifier) return;
  const name = $("name").value;
  if (!name) {
    $("label").textContent = "…";
    $("sure").textContent = $("doubt").textContent = "";
    $("belief").replaceChildren();
    $("legend").replaceChildren();
    return;
  }
  const all = { top: classifier.labels.length, prior: $("prior").valueAsNumber };
  const trace = await classifier.trace(name, all);
  const { label, probability, known } = trace[trace.length - 1];
  $("label").textContent = label;
  $("sure").textContent = percent(probability);
  $("doubt").textContent = await doubt(name, all.prior, known);
  showBelief($("belief"), $("legend"), trace);
}

/** What a reader should know of the answer: its set of labels, and letters that the model lacks. */
async function doubt(name, prior, known) {
  const lines = [];
  if (known < 1) lines.push(`The model knows ${percent(known)} of these letters.`);
  if (!prior && classifier.metadata.classifier.held_out?.rows >= LEAST_ROWS) {
    const { labels } = await classifier.classify(name, { coverage: COVERAGE });
    lines.push(`Right in ${percent(COVERAGE)} of such names: one of ${labels.join(", ")}.`);
  }
  return lines.join(" ");
}

// --- wiring ----------------------------------------------------------------------------------

for (const name of ["temperature", "top-p", "prior"]) {
  $(name).addEventListener("input", () => ($(`${name}-value`).textContent = $(name).value));
}
$("writing").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt("prompt", write);
});
$("prompt").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("writing").requestSubmit();
});
$("halt").addEventListener("click", halt);
const [lookSoon, lookNoMore] = whenCalm("prompt", look, 200);
const [readSoon] = whenCalm("pasted", read, 350);
const [classifySoon] = whenCalm("name", classify, 30);
$("prompt").addEventListener("input", lookSoon);
$("pasted").addEventListener("input", readSoon);
$("name").addEventListener("input", classifySoon);
$("prior").addEventListener("input", classifySoon);
for (const kind of ["charlm", "classifier"]) {
  $(kind).addEventListener("change", () => $(kind).value && openNamed($(kind).value));
}
$("file").addEventListener("change", () => openFile($("file").files[0]));
addEventListener("dragover", (event) => {
  event.preventDefault();
  $("drop").hidden = false;
});
addEventListener("dragleave", (event) => ($("drop").hidden = event.relatedTarget !== null));
addEventListener("drop", (event) => {
  event.preventDefault();
  $("drop").hidden = true;
  openFile(event.dataTransfer.files[0]);
});

// If the first fails, its problem stays in view.
if (await openNamed($("charlm").value)) await openNamed($("classifier").value);

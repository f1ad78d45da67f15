import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";

import { launch, MISSING, program } from "./browser.js";
import { bytesOf, vectors, withMetadata, withProperties } from "./models.js";
import { serve } from "./serve.js";

const WRITTEN = vectors.charlm["exported/charlm.int8.onnx"].texts[0];
const NAME = vectors.classifier["exported/classifier.int8.onnx"].predictions[0].found[0];

describe("the page", { timeout: 300_000, skip: program ? false : MISSING }, () => {
  let browser;
  let server;
  before(async () => (browser = await launch()));
  after(() => browser.close());
  afterEach(async () => {
    await Promise.all(browser.contexts().map((context) => context.close()));
    server.close();
  });

  /** Open the page on a server of its own. Errors in its console are kept in `faults`. */
  async function opened({ width = 1280, isolated = false } = {}) {
    server = await serve({ isolated });
    const page = await browser.newPage({ viewport: { width, height: 900 } });
    page.setDefaultTimeout(20_000);
    page.faults = [];
    page.on("pageerror", (error) => page.faults.push(String(error)));
    page.on("console", (line) => line.type() === "error" && page.faults.push(line.text()));
    await page.goto(`${server.address}/examples/browser/index.html`);
    await page.waitForFunction(() => document.querySelector("#legend li"));
    return page;
  }

  const done = (page) =>
    page.waitForFunction(() => document.querySelector("#status").textContent.startsWith("Done"));

  for (const isolated of [false, true]) {
    test(`it writes Python's text ${isolated ? "with" : "without"} COOP and COEP`, async () => {
      const page = await opened({ isolated });
      assert.equal(await page.evaluate(() => crossOriginIsolated), isolated);
      await page.fill("#prompt", WRITTEN.prompt);
      await page.fill("#length", String(WRITTEN.options.length));
      await page.fill("#seed", WRITTEN.options.seed);
      await page.click("#generate");
      await done(page);
      assert.equal(await page.locator("#text").evaluate((text) => text.textContent), WRITTEN.text);
      await page.fill("#name", NAME.text);
      await page.waitForFunction((label) => document.querySelector("#label").textContent === label, NAME.label);
      assert.equal(await page.locator("#belief li").count(), NAME.text.length);
      assert.equal(await page.locator("#next li").count(), 10);
      assert.deepEqual(page.faults, []);
    });
  }

  test("text comes in pieces, and the page reacts between them", async () => {
    const page = await opened();
    await page.evaluate(() => {
      window.pieces = new Set();
      new MutationObserver(() => window.pieces.add(document.querySelector("#text").textContent.length)).observe(
        document.querySelector("#text"),
        { childList: true },
      );
    });
    await page.fill("#length", "100000");
    await page.click("#generate");
    await page.waitForFunction(() => window.pieces.size > 5);
    await page.click("#halt");
    const before = await page.locator("#text").evaluate((text) => text.textContent.length);
    assert.ok(before < 50_000);
    await page.fill("#length", "40");
    await page.click("#generate");
    await done(page);
    assert.equal(await page.locator("#text").evaluate((text) => text.textContent.length), 40);
    assert.deepEqual(page.faults, []);
  });

  test("a stop text ends the text, and a pasted text is coloured", async () => {
    const page = await opened();
    await page.fill("#stop", "\\n");
    await page.click("#generate");
    await done(page);
    assert.match(await page.locator("#status").innerText(), /stopped before ⏎/);
    await page.fill("#pasted", "abc\u0416d");
    await page.waitForFunction(() => document.querySelectorAll("#reading span").length === 5);
    assert.equal(await page.locator("#reading .unknown").count(), 1);
    assert.match(await page.locator("#figures").innerText(), /bits a character/);
    assert.deepEqual(page.faults, []);
  });

  test("problems are shown in the page with what to do", async () => {
    const page = await opened();
    const shows = async (message) => {
      const alert = page.locator("#problem:visible", { hasText: message });
      await alert.waitFor({ timeout: 10_000 });
    };
    await page.fill("#prompt", "a\u0416");
    await page.click("#generate");
    await shows(/U\+0416.*remove it/);
    await page.fill("#prompt", "a");
    await page.fill("#seed", "x");
    await page.click("#generate");
    await shows(/give digits/);
    const drop = (name, text) =>
      page.setInputFiles("#file", { name, mimeType: "application/octet-stream", buffer: Buffer.from(text) });
    await drop("other.onnx", "<html>");
    await shows(/other\.onnx: damaged or not an ONNX file/);
    await drop("half.onnx", bytesOf("tests/data/charlm.onnx").slice(0, 2000));
    await shows(/half\.onnx: damaged or not an ONNX file: its bytes do not parse/);
    await drop("foreign.onnx", withProperties(bytesOf("tests/data/charlm.onnx"), []));
    await shows(/foreign\.onnx: not a model made by rnn-train.*export it with rnn-train/);
    await drop("photo.png", "x");
    await shows(/is no \.onnx file; take one/);
    await page.evaluate(() => {
      document.querySelector("#charlm").options[1].value = "missing.onnx";
    });
    await page.selectOption("#charlm", { index: 1 });
    await shows(/missing\.onnx: cannot be downloaded \(404.*check the address/);
    await page.route("**/charlm.int8.onnx", (route) => route.abort());
    await page.selectOption("#charlm", { index: 0 });
    await shows(/charlm\.int8\.onnx: cannot be downloaded \(.*check the address and the network/);
  });

  test("a stop text that cannot come and forbidden characters are told or kept", async () => {
    const page = await opened();
    await page.fill("#stop", "\u0416");
    await page.click("#generate");
    await page.locator("#problem:visible", { hasText: /never write the stop text .* drop it/ }).waitFor();
    await page.fill("#stop", "tree");
    await page.fill("#forbid", "e\\n");
    await page.click("#generate");
    await page.locator("#problem:visible", { hasText: /waits for "e", which is in “Never draw”; remove it/ }).waitFor();
    await page.fill("#stop", "");
    await page.fill("#forbid", "\u0416");
    await page.click("#generate");
    await page.locator("#problem:visible", { hasText: /“Never draw”: the model has no character "\u0416"; remove it/ }).waitFor();
    await page.fill("#forbid", "e\\n");
    await page.fill("#length", "60");
    await page.click("#generate");
    await done(page);
    const text = await page.locator("#text").evaluate((each) => each.textContent);
    assert.ok(text.length === 60 && !/[e\n]/.test(text), text);
    assert.deepEqual(page.faults, []);
  });

  test("letters that the classifier lacks are told, and the set of labels", async () => {
    const page = await opened();
    await page.fill("#name", "Ko\u0416\u0416");
    await page.locator("#doubt", { hasText: /knows 50 % of these letters/ }).waitFor();
    const { file, metadata } = vectors.coverage;
    const buffer = Buffer.from(withMetadata(bytesOf(file), metadata));
    await page.setInputFiles("#file", { name: "held.onnx", mimeType: "application/octet-stream", buffer });
    await page.locator("#doubt", { hasText: /Right in 90 % of such names: one of / }).waitFor();
    assert.deepEqual(page.faults, []);
  });

  test("a browser without wasm SIMD, and a runtime that is not there, are told", async () => {
    for (const [prepare, message] of [
      [(page) => page.addInitScript("WebAssembly.validate = () => false"), /SIMD/],
      [(page) => page.route("**/ort.wasm.bundle.min.mjs", (route) => route.abort()), /onnxruntime-web is not there; run/],
      [(page) => page.route("**/*.wasm", (route) => route.abort()), /onnxruntime does not start here.*serve the \.wasm file/],
    ]) {
      server = await serve();
      const page = await browser.newPage();
      await prepare(page);
      await page.goto(`${server.address}/examples/browser/index.html`);
      await page.locator("#problem:visible", { hasText: message }).waitFor({ timeout: 20_000 });
      assert.equal(await page.locator("#generate").isDisabled(), true);
      server.close();
    }
  });

  test("a dropped file of either kind takes the place of its model", async () => {
    const page = await opened();
    const root = new URL("../../tests/data/", import.meta.url);
    await page.setInputFiles("#file", decodeURIComponent(new URL("charlm.step.onnx", root).pathname));
    await page.waitForFunction(() => document.querySelector("#status").textContent.startsWith("charlm.step.onnx"));
    const own = vectors.charlm["tests/data/charlm.step.onnx"].texts[0];
    await page.fill("#prompt", own.prompt);
    await page.fill("#length", String(own.options.length));
    await page.fill("#seed", own.options.seed);
    await page.click("#generate");
    await done(page);
    assert.equal(await page.locator("#text").evaluate((text) => text.textContent), own.text);
    assert.equal(await page.locator("#charlm option:checked").innerText(), "charlm.step.onnx");
    assert.deepEqual(page.faults, []);
  });

  test("another model ends a text that is being written", async () => {
    const page = await opened();
    await page.fill("#length", "100000");
    await page.click("#generate");
    await page.waitForFunction(() => document.querySelector("#progress").textContent.includes("a second"));
    const root = new URL("../../tests/data/", import.meta.url);
    await page.setInputFiles("#file", decodeURIComponent(new URL("charlm.onnx", root).pathname));
    await page.waitForFunction(() => document.querySelector("#status").textContent.startsWith("charlm.onnx is ready"));
    assert.equal(await page.locator("#halt").isDisabled(), true);
    assert.equal(await page.locator("#text").getAttribute("aria-busy"), "false");
    assert.equal(await page.locator("#progress").innerText(), "");
    assert.deepEqual(page.faults, []);
  });

  test("it works by keyboard, and a screen reader is told the hint of a field", async () => {
    const page = await opened();
    const reached = [];
    await page.focus("#prompt");
    for (let i = 0; i < 9; i += 1) {
      reached.push(await page.evaluate(() => document.activeElement.id));
      await page.keyboard.press("Tab");
    }
    const order = ["prompt", "temperature", "top-p", "length", "seed", "stop", "forbid", "generate", "paper"];
    assert.deepEqual(reached, order);
    const note = await page.locator("#forbid").getAttribute("aria-describedby");
    assert.match(await page.locator(`#${note}`).innerText(), /is forbidden/);
    await page.fill("#length", "30");
    await page.focus("#forbid");
    await page.keyboard.type("e");
    await page.keyboard.press("Enter");
    await done(page);
    const text = await page.locator("#text").evaluate((each) => each.textContent);
    assert.ok(text.length === 30 && !text.includes("e"), text);
    assert.deepEqual(page.faults, []);
  });

  test("it fits a phone, in the light and in the dark", async () => {
    const page = await opened({ width: 360 });
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      const [inner, wide] = await page.evaluate(() => [innerWidth, document.documentElement.scrollWidth]);
      assert.ok(wide <= inner, `${wide} pixels wide on a screen of ${inner}`);
    }
  });

  test("every control has a name", async () => {
    const page = await opened();
    const nameless = await page.evaluate(() =>
      [...document.querySelectorAll("input, select, textarea, button")]
        .filter((each) => !(each.labels?.length || each.ariaLabel || each.textContent.trim()))
        .map((each) => each.id),
    );
    assert.deepEqual(nameless, []);
  });
});

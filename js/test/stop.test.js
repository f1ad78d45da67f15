import assert from "node:assert/strict";
import { test } from "node:test";

import { StopScanner } from "../src/text/stop.js";

/** Scan a text in pieces of some code points. Return the text, the stop text, and where it ended. */
function scan(stops, text, size) {
  const scanner = new StopScanner(stops);
  const chars = Array.from(text);
  let found = "";
  for (let at = 0; at < chars.length; at += size) {
    const scanned = scanner.scan(chars.slice(at, at + size).join(""));
    found += scanned.text;
    if (scanned.stopped !== null) return [found, scanned.stopped, at + scanned.used];
  }
  return [found + scanner.rest(), null, chars.length];
}

test("the result does not depend on how the text is cut", () => {
  const cases = [
    [["END"], "some ENEND more", ["some EN", "END", 10]],
    [["b", "ab", "abc"], "xxabc", ["xx", "ab", 4]],
    [["aab"], "aaaab", ["aa", "aab", 5]],
    [["\u{1f600}!"], "x\u{1f600}\u{1f600}!y", ["x\u{1f600}", "\u{1f600}!", 4]],
    [[], "text", ["text", null, 4]],
  ];
  for (const [stops, text, wanted] of cases) {
    for (let size = 1; size <= 6; size += 1) assert.deepEqual(scan(stops, text, size), wanted);
  }
});

test("an end that may start a stop text is held back", () => {
  const scanner = new StopScanner(["stop"]);
  assert.equal(scanner.scan("a st").text, "a ");
  assert.equal(scanner.scan("ill").text, "still");
  assert.equal(scanner.rest(), "");
});

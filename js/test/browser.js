/** Chromium for tests and measurements: a system's own, or the one that CHROMIUM names. */

import { existsSync } from "node:fs";

import { chromium } from "playwright-core";

const PLACES = [
  process.env.CHROMIUM,
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];
/** The program, or undefined. */
export const program = PLACES.find((place) => place && existsSync(place));
export const MISSING = "no chromium here; install it, or set CHROMIUM to the program";

/** Start the browser, without a window. */
export const launch = (...args) =>
  chromium.launch({ executablePath: program, args: ["--no-sandbox", ...args] });

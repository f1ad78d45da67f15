/** Print the size of the package as it travels, whole and by entry, and refuse one above its limit. */

import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { build } from "esbuild";

/** The most bytes of each entry: minified, and compressed with gzip after that. */
export const LIMITS = {
  index: [37_900, 15_200],
  charlm: [32_500, 13_300],
  classifier: [21_400, 9_100],
};

/** Bundle and minify an entry as a page would. Return its source text. */
export async function bundle(entry = "index") {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(`src/${entry}.js`, import.meta.url))],
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    write: false,
  });
  return outputFiles[0].text;
}

/** Return the bytes of an entry: minified, and compressed. */
export async function sizes(entry) {
  const minified = Buffer.from(await bundle(entry));
  return [minified.length, gzipSync(minified, { level: 9 }).length];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [entry, [most, mostCompressed]] of Object.entries(LIMITS)) {
    const [minified, compressed] = await sizes(entry);
    console.log(`${entry}: ${minified} bytes minified of ${most}, ${compressed} compressed of ${mostCompressed}`);
    if (minified > most || compressed > mostCompressed) process.exitCode = 1;
  }
}

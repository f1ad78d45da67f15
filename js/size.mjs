/** Print the size of the package as it travels, and refuse one above the limit. */

import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { build } from "esbuild";

/** Bytes of the whole package: bundled, minified and compressed with gzip. */
export const LIMIT = 12_800;

/** Bundle and minify the package as a page would. Return its source text. */
export async function bundle() {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("src/index.js", import.meta.url))],
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    write: false,
  });
  return outputFiles[0].text;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const minified = Buffer.from(await bundle());
  const compressed = gzipSync(minified, { level: 9 }).length;
  console.log(`${minified.length} bytes minified, ${compressed} compressed, of ${LIMIT}`);
  process.exitCode = compressed > LIMIT ? 1 : 0;
}

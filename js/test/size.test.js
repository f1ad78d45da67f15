import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

import { bundle, LIMIT } from "../size.mjs";

test("the whole package stays small, and brings no onnxruntime along", async () => {
  const source = await bundle();
  const size = gzipSync(source, { level: 9 }).length;
  assert.ok(size <= LIMIT, `${size} bytes`);
  assert.ok(!/(^|[;}])import\b/.test(source), "it imports a module");
});

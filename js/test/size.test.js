import assert from "node:assert/strict";
import { test } from "node:test";

import { bundle, LIMITS, sizes } from "../size.mjs";

for (const [entry, limits] of Object.entries(LIMITS)) {
  test(`the entry ${entry} stays small, and brings no onnxruntime along`, async () => {
    const found = await sizes(entry);
    found.forEach((size, i) => assert.ok(size <= limits[i], `${found} bytes, not ${limits}`));
    assert.ok(!/(^|[;}])import\b/.test(await bundle(entry)), "it imports a module");
  });
}

test("an entry for one kind has nothing of the other", async () => {
  assert.ok(!(await bundle("classifier")).includes("RNNSESS1"));
  assert.ok(!(await bundle("charlm")).includes("minProbability"));
});

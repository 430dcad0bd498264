import { readFileSync, writeFileSync } from "node:fs";

import openapiTS, { astToString } from "openapi-typescript";
import { expect, test } from "vitest";

const DESCRIPTION = new URL("../../../chat-server/openapi.json", import.meta.url);
const TYPES = new URL("schema.ts", import.meta.url);

test("the types are those of the API's description (else: npm run generate)", async () => {
  const types = astToString(await openapiTS(DESCRIPTION, { immutable: true }));
  const text = `/** Generated from chat-server/openapi.json: \`npm run generate\`. */\n\n${types}`;
  if (process.env.GENERATE !== undefined) {
    writeFileSync(TYPES, text);
  }
  expect(readFileSync(TYPES, "utf8")).toBe(text);
});

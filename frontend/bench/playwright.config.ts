import { defineConfig } from "@playwright/test";

import tests from "../playwright.config";

/** The figures of the page: `./just bench page`. One at a time, on a machine that should do nothing else. */
export default defineConfig({
  ...tests,
  testDir: ".",
  testMatch: "page.bench.ts",
  outputDir: "../../target/playwright-bench",
  workers: 1,
  timeout: 300_000,
  reporter: [["line"]],
  projects: [{ name: "bench" }],
});

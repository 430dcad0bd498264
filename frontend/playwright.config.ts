import { defineConfig } from "@playwright/test";

import type { Options } from "./tests/world/test";

/** In Debian's Chromium, against the real chat server: alone on SQLite, and behind nginx on PostgreSQL, as in the cluster. */
export default defineConfig<Options, Options>({
  testDir: "tests",
  outputDir: "../target/playwright",
  fullyParallel: true,
  workers: 2,
  forbidOnly: true,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  reporter: [["list"]],
  use: {
    viewport: { width: 1280, height: 800 },
    locale: "en-US",
    timezoneId: "Europe/Berlin",
    // Test names are unique enough: a failure is looked into with its picture.
    screenshot: "only-on-failure",
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
    },
  },
  projects: [
    { name: "build", testMatch: "build.spec.ts" },
    { name: "sqlite", use: { storage: "sqlite" }, testIgnore: "build.spec.ts" },
    { name: "postgres", use: { storage: "postgres" }, testIgnore: "build.spec.ts" },
  ],
});

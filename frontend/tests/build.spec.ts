/** What is built: small enough, and nothing in it that the page's policy forbids. */

import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";

import { expect, test } from "@playwright/test";

const DIST = resolve(import.meta.dirname, "../dist");
const MOST_SCRIPT_BYTES = 80_000;

test("the first load's scripts are less than 80 kB", () => {
  const scripts = new Set(["first.js"]);
  const html = readFileSync(join(DIST, "index.html"), "utf8");
  for (const [, name] of html.matchAll(/(?:src|href)="\/([^"]+\.js)"/g)) {
    scripts.add(name ?? "");
  }
  expect(scripts.size).toBe(2);
  const sizes = [...scripts].map((name) => gzipSync(readFileSync(join(DIST, name)), { level: 9 }).length);
  const sum = sizes.reduce((sum, size) => sum + size, 0);
  console.log(`first load: ${sum} bytes of script`);
  expect(sum).toBeLessThan(MOST_SCRIPT_BYTES);
});

test("no script or style stands in the page itself, and nothing comes from others", () => {
  const html = readFileSync(join(DIST, "index.html"), "utf8");
  expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon[a-z]+=/);
  expect(html).not.toMatch(/(src|href)="(?!\/)/);
  for (const name of readdirSync(join(DIST, "assets")).filter((name) => name.endsWith(".css"))) {
    expect(readFileSync(join(DIST, "assets", name), "utf8")).not.toMatch(/url\((?!["']?#)|@import/);
  }
});

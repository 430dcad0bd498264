/** What the browser itself says about a first load: how much came, and whether anything moved. Times are for `./just bench page`. */

import type { Page } from "@playwright/test";

import { expect, test } from "./world/test";

const MOST_SCRIPT_BYTES = 80_000;
const MOST_BYTES = 90_000;

/** Before the page begins: sums up what moves without the person having done anything. */
async function watchShifts(page: Page) {
  await page.addInitScript(() => {
    const shifts: string[] = [];
    Object.assign(window, { shifts });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as (PerformanceEntry & { value: number; hadRecentInput: boolean })[]) {
        if (!entry.hadRecentInput) {
          shifts.push(`${entry.value} at ${entry.startTime}`);
        }
      }
    }).observe({ type: "layout-shift", buffered: true });
  });
}

const shifts = (page: Page) => page.evaluate(() => (window as unknown as { shifts: string[] }).shifts);

test("the first load is small, and nothing moves", async ({ chat, page, storage }) => {
  await watchShifts(page);
  await page.goto("/");
  await expect(chat.button("Begin chat")).toBeVisible();
  const loaded = await page.evaluate(() =>
    ["navigation", "resource"].flatMap((type) =>
      (performance.getEntriesByType(type) as PerformanceResourceTiming[]).map(
        ({ initiatorType, name, transferSize }) => ({ isScript: initiatorType === "script", name, transferSize }),
      ),
    ),
  );
  const sum = (entries: typeof loaded) => entries.reduce((sum, { transferSize }) => sum + transferSize, 0);
  expect(loaded.filter(({ isScript }) => isScript).length).toBeGreaterThan(0);
  // The chat server compresses nothing, it is for development.
  if (storage === "postgres") {
    expect(sum(loaded.filter(({ isScript }) => isScript))).toBeLessThan(MOST_SCRIPT_BYTES);
    expect(sum(loaded)).toBeLessThan(MOST_BYTES);
  }
  expect(await page.evaluate(() => performance.getEntriesByName("first-contentful-paint").length)).toBe(1);
  expect(await shifts(page)).toEqual([]);
});

test("a chat that is opened again doesn't move while it is confirmed", async ({ chat, page }) => {
  await chat.begin();
  await chat.talk("hello");
  await watchShifts(page);
  const confirmed = page.waitForResponse("**/transcript/*");
  await page.reload();
  await confirmed;
  await expect(chat.log.getByText("Hello yourself!")).toBeVisible();
  await page.evaluate(() => new Promise((resolve) => requestIdleCallback(resolve)));
  expect(await shifts(page)).toEqual([]);
});

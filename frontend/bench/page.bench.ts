/**
 * How fast the page is there and answers, in the browser's own metrics, each beside an empty page of the same server in
 * the same run; and how smoothly 10,000 messages scroll. Nothing here fails on a time.
 */

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";

import type { Browser, CDPSession, Page } from "@playwright/test";

import { Site } from "../tests/world/site";
import { chatOn, test } from "../tests/world/test";

const DIST = resolve(import.meta.dirname, "../dist");
const OUTPUT = resolve(import.meta.dirname, "../../target/bench/page.json");
const ROUNDS = 5;
/** Browsers tell of no shorter times between an event and the paint after it. They round to 8 ms. */
const LEAST_MS = 16;
/** Quick fingers. */
const KEY_EVERY_MS = 90;

/** A phone of the middle class on 3G, as Lighthouse has it. */
const PHONE = { cpu: 4, latency: 150, bytesPerSecond: (1.6 * 1024 * 1024) / 8 };

const figures: Record<string, number> = {};

test("figures", async ({ browser }) => {
  const site = await Site.start("postgres");
  const scripts = readdirSync(join(DIST, "assets")).filter((name) => name.startsWith("index-") && name.endsWith(".js"));
  const size = (name: string) => gzipSync(readFileSync(join(DIST, name)), { level: 9 }).length;
  figures.first_load_script_bytes = size("first.js") + scripts.reduce((sum, name) => sum + size(`assets/${name}`), 0);
  for (const [device, slow] of [
    ["desktop", false],
    ["phone_3g", true],
  ] as const) {
    await median(`${device}_blank_first_paint_ms`, () => paints(browser, `${site.url}/favicon.svg`, slow).then(first));
    const loads = await rounds(() => paints(browser, `${site.url}/#/`, slow));
    keep(`${device}_first_paint_ms`, loads.map(first));
    keep(
      `${device}_usable_ms`,
      loads.map(({ usable }) => usable),
    );
    keep(
      `${device}_layout_shift`,
      loads.map(({ shift }) => shift),
    );
    const bare = await rounds(() => bareField(browser, slow));
    keep(`${device}_bare_field_key_to_paint_ms`, bare.flat());
    const talks = await rounds(() => interaction(browser, site.url, slow));
    const letters = talks.flatMap(({ letters }) => letters);
    keep(`${device}_key_to_paint_ms`, letters);
    figures[`${device}_key_to_paint_worst_ms`] = Math.max(...letters);
    keep(
      `${device}_send_to_bubble_ms`,
      talks.map(({ bubble }) => bubble),
    );
    keep(
      `${device}_send_to_answer_ms`,
      talks.map(({ answer }) => answer),
    );
  }
  await long(browser, site);
  await site.end();
  mkdirSync(resolve(OUTPUT, ".."), { recursive: true });
  writeFileSync(OUTPUT, `${JSON.stringify(figures, null, 2)}\n`);
  const width = Math.max(...Object.keys(figures).map((name) => name.length));
  console.log(
    Object.entries(figures)
      .map(([name, value]) => `${name.padEnd(width)}  ${value}`)
      .join("\n"),
  );
  console.log(`written to ${OUTPUT}`);
});

type Paints = { readonly paint: number; readonly usable: number; readonly shift: number };

const first = ({ paint }: Paints) => paint;

async function fresh<T>(browser: Browser, slow: boolean, act: (page: Page, devtools: CDPSession) => Promise<T>) {
  // The window's own size: with one that is emulated, Chromium doesn't tell of letters in the box until something else is painted.
  const context = await browser.newContext({ viewport: null });
  const page = await context.newPage();
  const devtools = await context.newCDPSession(page);
  if (slow) {
    await throttle(devtools);
  }
  const result = await act(page, devtools);
  await context.close();
  return result;
}

async function throttle(devtools: CDPSession) {
  await devtools.send("Network.enable");
  await devtools.send("Network.emulateNetworkConditions", {
    offline: false,
    latency: PHONE.latency,
    downloadThroughput: PHONE.bytesPerSecond,
    uploadThroughput: PHONE.bytesPerSecond / 2,
  });
  await devtools.send("Emulation.setCPUThrottlingRate", { rate: PHONE.cpu });
}

/** First paint, when "Begin chat" can be pressed, and how much has moved meanwhile. */
async function paints(browser: Browser, url: string, slow: boolean): Promise<Paints> {
  return fresh(browser, slow, async (page) => {
    await page.addInitScript(() => {
      const seen = { usable: 0, shift: 0 };
      Object.assign(window, { seen });
      new MutationObserver(() => {
        if (seen.usable === 0 && document.querySelector("main .button") !== null) {
          seen.usable = performance.now();
        }
      }).observe(document, { childList: true, subtree: true });
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) {
          seen.shift += (entry as PerformanceEntry & { value: number }).value;
        }
      }).observe({ type: "layout-shift", buffered: true });
    });
    await page.goto(url, { waitUntil: "networkidle" });
    return page.evaluate(() => {
      const paint = performance.getEntriesByName("first-paint")[0]?.startTime ?? 0;
      const { seen } = window as unknown as { seen: { usable: number; shift: number } };
      return { paint, ...seen };
    });
  });
}

/**
 * From each key press of a text, and from the Enter that sends it, to the next paint, which has the letter or the bubble;
 * and from the Enter to the answer. By the browser's own Event Timing.
 */
async function interaction(browser: Browser, url: string, slow: boolean) {
  return fresh(browser, slow, async (page) => {
    await page.goto(url);
    const chat = chatOn(page);
    await chat.button("Begin chat").click();
    await atRest(page);
    await watchKeys(page);
    await page.evaluate(() => {
      new MutationObserver((_, observer) => {
        if ([...document.querySelectorAll(".bubble")].some((bubble) => bubble.textContent === "Hello yourself!")) {
          performance.mark("answered");
          observer.disconnect();
        }
      }).observe(document.body, { childList: true, subtree: true, characterData: true });
    });
    await chat.box.pressSequentially("hello", { delay: KEY_EVERY_MS });
    await chat.box.press("Enter");
    await page.waitForFunction(() => performance.getEntriesByName("answered").length > 0);
    const keys = await keyTimes(page);
    const answered = await page.evaluate(() => performance.getEntriesByName("answered")[0]?.startTime ?? 0);
    const enter = keys.at(-1) ?? { at: 0, toPaint: 0 };
    return {
      letters: keys.slice(0, -1).map(({ toPaint }) => toPaint),
      bubble: enter.toPaint,
      answer: answered - enter.at,
    };
  });
}

/** The same keys in a field of a page that has nothing else: what browser and machine take by themselves. */
async function bareField(browser: Browser, slow: boolean): Promise<number[]> {
  return fresh(browser, slow, async (page) => {
    await page.setContent("<textarea></textarea>");
    await page.locator("textarea").click();
    await watchKeys(page);
    await page.locator("textarea").pressSequentially("hello", { delay: KEY_EVERY_MS });
    return (await keyTimes(page)).map(({ toPaint }) => toPaint);
  });
}

/** People don't type in the moment in which the page is drawn for the first time, and its later scripts are loaded. */
async function atRest(page: Page) {
  await page.waitForFunction(() =>
    performance.getEntriesByType("resource").some(({ name }) => name.includes("later-")),
  );
  await page.evaluate(() => new Promise((resolve) => requestIdleCallback(resolve)));
}

async function watchKeys(page: Page) {
  await page.evaluate((least) => {
    const pressed: number[] = [];
    const painted: { at: number; toPaint: number }[] = [];
    Object.assign(window, { pressed, painted });
    addEventListener("keydown", ({ timeStamp }) => pressed.push(timeStamp), true);
    new PerformanceObserver((list) => {
      for (const { name, startTime, duration } of list.getEntries()) {
        if (name === "keydown") {
          painted.push({ at: startTime, toPaint: duration });
        }
      }
    }).observe({ type: "event", durationThreshold: least } as PerformanceObserverInit);
  }, LEAST_MS);
}

/** What was quicker than `LEAST_MS` isn't told by the browser, and counts as that. */
async function keyTimes(page: Page): Promise<{ at: number; toPaint: number }[]> {
  // What was pressed last is painted, and told, within a few frames.
  await page.waitForTimeout(500);
  return page.evaluate((least) => {
    type Times = { pressed: number[]; painted: { at: number; toPaint: number }[] };
    const { pressed, painted } = window as unknown as Times;
    return pressed.map((at) => painted.find((key) => Math.abs(key.at - at) < 1) ?? { at, toPaint: least });
  }, LEAST_MS);
}

/** 10,000 messages: opened, and scrolled by the wheel for a while. */
async function long(browser: Browser, site: Site) {
  const id = crypto.randomUUID();
  const lines = Array.from({ length: 10_000 }, (_, index) => ({
    sender: index % 2 === 0 ? ("USER" as const) : ("BOT" as const),
    text: `number ${index} ${"and so on ".repeat(index % 30)}`.trim(),
    at: new Date(Date.now() - (10_000 - index) * 60_000),
  }));
  site.import(id, lines);
  await fresh(browser, false, async (page, devtools) => {
    const began = Date.now();
    await page.goto(`${site.url}/#/chat/${id}`);
    await chatOn(page)
      .log.getByText(/^number 9999/)
      .waitFor();
    figures.long_open_ms = Date.now() - began;
    await page.evaluate(() => {
      const frames: number[] = [];
      Object.assign(window, { frames });
      let before = performance.now();
      const frame = (now: number) => {
        frames.push(now - before);
        before = now;
        requestAnimationFrame(frame);
      };
      requestAnimationFrame(frame);
    });
    await page.mouse.move(700, 400);
    for (let step = 0; step < 60; step += 1) {
      await page.mouse.wheel(0, -700);
      await page.waitForTimeout(30);
    }
    const frames = await page.evaluate(() => (window as unknown as { frames: number[] }).frames.slice(1));
    frames.sort((one, other) => one - other);
    figures.long_scroll_frame_p50_ms = round(frames[Math.floor(frames.length / 2)] ?? 0);
    figures.long_scroll_frame_p95_ms = round(frames[Math.floor(frames.length * 0.95)] ?? 0);
    await devtools.send("HeapProfiler.collectGarbage");
    const { usedSize } = await devtools.send("Runtime.getHeapUsage");
    figures.long_heap_mib = round(usedSize / 1024 / 1024);
  });
}

async function rounds<T>(measure: () => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    results.push(await measure());
  }
  return results;
}

async function median(name: string, measure: () => Promise<number>) {
  keep(name, await rounds(measure));
}

function keep(name: string, values: number[]) {
  values.sort((one, other) => one - other);
  figures[name] = round(values[Math.floor(values.length / 2)] ?? 0);
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000 > 1 ? Math.round(value * 10) / 10 : Math.round(value * 1000) / 1000;
}

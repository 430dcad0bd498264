/** The messages: where they stand, how they look, and what can be done with them. */

import { readFileSync } from "node:fs";

import type { Locator } from "@playwright/test";

import type { Line } from "./world/site";
import { expect, test } from "./world/test";

const DAY_MS = 86_400_000;

/** As many messages as wanted, the last one now. */
function past(count: number, between = 60_000): Line[] {
  return Array.from({ length: count }, (_, index) => ({
    sender: index % 2 === 0 ? ("USER" as const) : ("BOT" as const),
    text: index % 7 === 0 ? `number ${index} ${"and so on ".repeat(index % 40)}`.trim() : `number ${index}`,
    at: new Date(Date.now() - (count - 1 - index) * between),
  }));
}

const atEnd = (log: Locator) =>
  log.evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight < 2 && box.scrollHeight > box.clientHeight);

/** The text of the first message that is to be seen, and where. */
const topmost = (log: Locator) =>
  log.evaluate((box) => {
    const { top } = box.getBoundingClientRect();
    const rows = [...box.querySelectorAll("[data-row]")];
    const row = rows.find((row) => row.getBoundingClientRect().bottom > top + 1);
    return { text: row?.querySelector(".bubble")?.textContent, at: Math.round(row?.getBoundingClientRect().top ?? 0) };
  });

test("stays at the end while messages come", async ({ chat, page, site }) => {
  const id = crypto.randomUUID();
  site.import(id, past(60));
  await page.goto(`/#/chat/${id}`);
  await expect(chat.log.getByText("number 59")).toBeVisible();
  await expect.poll(() => atEnd(chat.log)).toBe(true);
  await chat.talk("hello");
  await expect.poll(() => atEnd(chat.log)).toBe(true);
  await page.setViewportSize({ width: 1280, height: 500 });
  await expect.poll(() => atEnd(chat.log)).toBe(true);
});

test("who reads further up isn't moved; a button tells of new messages and leads to them", async ({
  chat,
  page,
  site,
}) => {
  const id = crypto.randomUUID();
  site.import(id, past(200));
  await page.goto(`/#/chat/${id}`);
  await expect(chat.log.getByText("number 199")).toBeVisible();
  await chat.log.evaluate((box) => {
    box.scrollTop -= 3000;
  });
  await expect(chat.button("To the newest")).toBeVisible();
  const before = await topmost(chat.log);
  await site.say(id, "from another place");
  await page.evaluate(() => {
    // As if the window was looked at again, later.
    const now = Date.now();
    Date.now = () => now + 60_000;
    window.dispatchEvent(new Event("focus"));
  });
  await expect(chat.button("2 new messages")).toBeVisible();
  expect(await topmost(chat.log)).toEqual(before);
  await chat.button("2 new messages").click();
  await expect(chat.log.getByText("from another place")).toBeVisible();
  await expect.poll(() => atEnd(chat.log)).toBe(true);
  await expect(chat.button("2 new messages")).toHaveCount(0);
  await expect(chat.log).toBeFocused();
});

test("saying something leads to the end, from wherever one reads", async ({ chat, page, site }) => {
  const id = crypto.randomUUID();
  site.import(id, past(200));
  await page.goto(`/#/chat/${id}`);
  await expect(chat.log.getByText("number 199")).toBeVisible();
  await chat.log.evaluate((box) => {
    box.scrollTop = 0;
  });
  await expect(chat.log.getByText("number 0", { exact: true })).toBeVisible();
  await chat.talk("hello");
  await expect.poll(() => atEnd(chat.log)).toBe(true);
});

test("of 10,000 messages few are in the page, and all can be reached", async ({ chat, page, site }) => {
  const id = crypto.randomUUID();
  site.import(id, past(10_000));
  await page.goto(`/#/chat/${id}`);
  await expect(chat.log.getByText("number 9999")).toBeVisible();
  const rows = chat.log.locator("[data-row]");
  expect(await rows.count()).toBeLessThan(80);
  await expect(rows.last()).toHaveAttribute("aria-posinset", "10000");
  await expect(rows.last()).toHaveAttribute("aria-setsize", "10000");
  // What has the focus leaves the page with its row: the list has it then, and keys go on working.
  await chat.log.getByRole("button", { name: "Copy message" }).last().focus();
  await page.keyboard.press("Home");
  await expect(chat.log.getByText("number 0", { exact: true })).toBeVisible();
  await expect(chat.log).toBeFocused();
  // Whatever turns out to be higher than guessed, what is read stays in its place, and in order.
  for (let step = 0; step < 30; step += 1) {
    const before = await topmost(chat.log);
    await page.keyboard.press("PageDown");
    await expect.poll(() => topmost(chat.log)).not.toEqual(before);
  }
  expect(await rows.count()).toBeLessThan(80);
  const numbers = (await chat.lines()).map((line) => Number(/number (\d+)/.exec(line)?.[1]));
  expect(numbers).toEqual([...numbers].sort((one, other) => one - other));
  await page.keyboard.press("End");
  await expect(chat.log.getByText("number 9999")).toBeVisible();
});

test("days are told apart; times are local, the exact one is on hover", async ({ chat, page, site }) => {
  const id = crypto.randomUUID();
  const lines: Line[] = [
    { sender: "BOT", text: "long ago", at: new Date("2024-02-29T22:59:00Z") },
    { sender: "USER", text: "past midnight in Berlin", at: new Date("2024-02-29T23:01:00Z") },
    { sender: "BOT", text: "the day before", at: new Date(Date.now() - DAY_MS) },
    { sender: "USER", text: "now", at: new Date() },
  ];
  site.import(id, lines);
  await page.goto(`/#/chat/${id}`);
  await expect(chat.log.locator(".day")).toHaveText([
    "Thursday, February 29, 2024",
    "Friday, March 1, 2024",
    "Yesterday",
    "Today",
  ]);
  const time = chat.log.locator("time").nth(1);
  await expect(time).toHaveText("12:01 AM");
  await expect(time).toHaveAttribute("title", /Friday, March 1, 2024 at 12:01:00 AM/);
  await expect(time).toHaveAttribute("datetime", "2024-02-29T23:01:00.000Z");
});

test("links are clickable and safe, scripts are text", async ({ chat, page }) => {
  await chat.begin();
  await chat.talk("see https://example.org/a_(b)?c=1. and javascript:alert(1) <b onclick=x>bold</b>");
  const links = chat.log.getByRole("link");
  await expect(links).toHaveCount(1);
  await expect(links).toHaveAttribute("href", "https://example.org/a_(b)?c=1");
  await expect(links).toHaveAttribute("rel", /noopener noreferrer/);
  await expect(links).toHaveAttribute("target", "_blank");
  await expect(chat.log.getByText("<b onclick=x>bold</b>")).toBeVisible();
  expect(await page.locator(".bubble b").count()).toBe(0);
});

test("emoji, right-to-left and very long words don't break the layout", async ({ chat, page }) => {
  await page.setViewportSize({ width: 320, height: 640 });
  await chat.begin();
  await chat.talk("مرحبا، كيف حالك اليوم؟ שלום");
  const direction = chat.log.locator("[data-sender=USER] .bubble").first();
  await expect(direction).toHaveAttribute("dir", "auto");
  expect(await direction.evaluate((bubble) => getComputedStyle(bubble).direction)).toBe("rtl");
  await chat.talk(`👩‍👩‍👧‍👦🏳️‍🌈 ${"pneumono".repeat(60)} https://example.org/${"a".repeat(300)}`);
  for (const box of [page.locator("html"), chat.log]) {
    expect(await box.evaluate((element) => element.scrollWidth - element.clientWidth)).toBeLessThanOrEqual(0);
  }
});

test("a message can be copied", async ({ chat, page, context }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await chat.begin();
  await chat.talk("hello");
  await chat.log.getByText("Hello yourself!").hover();
  await chat.log.getByRole("button", { name: "Copy message" }).last().click();
  await expect(page.getByText("Copied")).toBeVisible();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe("Hello yourself!");
});

test("the transcript can be saved as a file", async ({ chat, page }) => {
  await chat.begin();
  await chat.talk("hello");
  const download = page.waitForEvent("download");
  await chat.menu("Export transcript");
  const file = await download;
  expect(file.suggestedFilename()).toMatch(/^silly-chat-\d{4}-\d\d-\d\d\.txt$/);
  const text = readFileSync(await file.path(), "utf8");
  expect(text).toMatch(/^Silly chat, .+\n\n.+ Bot:\nWelcome!\n\n.+ You:\nhello\n\n.+ Bot:\nHello yourself!\n$/);
});

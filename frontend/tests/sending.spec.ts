/** What becomes of a message between the key press and the answer, in good weather and bad. */

import type { Page } from "@playwright/test";

import { Site } from "./world/site";
import { chatOn, expect, test } from "./world/test";

/** Lets requests for /message reach the server, and does something with their answers. */
async function onMessage(page: Page, act: (attempt: number, key: string) => "pass" | "lose" | "refuse") {
  const keys: string[] = [];
  await page.route("**/message", async (route) => {
    const key = route.request().headers()["idempotency-key"] ?? "";
    keys.push(key);
    switch (act(keys.length, key)) {
      case "pass":
        return route.continue();
      case "refuse":
        return route.abort();
      case "lose":
        await route.fetch();
        return route.abort();
    }
  });
  return keys;
}

const HELLO = ["BOT Welcome!", "USER hello", "BOT Hello yourself!"];

test("a message is there at once, the bot types, then it answers", async ({ chat, page }) => {
  await chat.begin();
  let answer: (() => void) | undefined;
  const held = new Promise<void>((resolve) => (answer = resolve));
  await page.route("**/message", async (route) => {
    await held;
    await route.continue();
  });
  await chat.say("hello");
  await expect(chat.box).toHaveValue("");
  await expect(chat.log.locator("[data-state=sending]")).toContainText("Sending…");
  await expect(page.getByTestId("typing")).toBeVisible();
  expect(await chat.lines()).toEqual(["BOT Welcome!", "USER hello"]);
  answer?.();
  await expect(chat.log.getByText("Hello yourself!")).toBeVisible();
  await expect(page.getByTestId("typing")).toHaveCount(0);
  expect(await chat.lines()).toEqual(HELLO);
});

test("Enter sends, Shift+Enter breaks the line, Send sends", async ({ chat, site }) => {
  const id = await chat.begin();
  await chat.box.pressSequentially("one");
  await chat.box.press("Shift+Enter");
  await chat.box.pressSequentially("two");
  expect(await site.transcript(id)).toHaveLength(1);
  await chat.button("Send").click();
  await expect.poll(() => site.transcript(id)).toContain("USER one\ntwo");
  await expect(chat.box).toBeFocused();
});

test("a double click on Send, and an Enter that is held down, send once", async ({ chat, page, site }) => {
  const id = await chat.begin();
  await chat.box.fill("clicked");
  await chat.button("Send").dblclick();
  await chat.box.fill("held");
  await page.keyboard.down("Enter");
  await page.keyboard.down("Enter");
  await page.keyboard.up("Enter");
  await expect.poll(() => site.transcript(id)).toHaveLength(5);
  await expect(chat.log.locator("[data-state]")).toHaveCount(0);
  const said = (await site.transcript(id)).filter((line) => line.startsWith("USER"));
  expect(said).toEqual(["USER clicked", "USER held"]);
});

test("an Enter that ends the composing of a word doesn't send", async ({ chat, page, site }) => {
  const id = await chat.begin();
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Input.imeSetComposition", { text: "にほん", selectionStart: 3, selectionEnd: 3 });
  await devtools.send("Input.dispatchKeyEvent", { type: "rawKeyDown", key: "Enter", windowsVirtualKeyCode: 229 });
  await expect(chat.box).toHaveValue("にほん");
  expect(await site.transcript(id)).toHaveLength(1);
});

test("blank text can't be sent", async ({ chat, site }) => {
  const id = await chat.begin();
  await chat.say("   ");
  await expect(chat.button("Send")).toHaveAttribute("aria-disabled", "true");
  expect(await site.transcript(id)).toHaveLength(1);
});

test("over-long text is counted, kept and refused before it is sent", async ({ chat, page, site }) => {
  const id = await chat.begin();
  await chat.box.fill("x".repeat(4001));
  await expect(page.getByText("1 character over the limit of 4000")).toBeVisible();
  await expect(chat.box).toHaveAttribute("aria-invalid", "true");
  await chat.box.press("Enter");
  await chat.box.press("End");
  await chat.box.press("Backspace");
  await expect(page.getByText("0 characters left")).toBeVisible();
  expect(await site.transcript(id)).toHaveLength(1);
  await chat.box.press("Enter");
  await expect.poll(() => site.transcript(id)).toContain(`USER ${"x".repeat(4000)}`);
});

test("a message whose answer is lost is sent again under its key, and recorded once", async ({ chat, page, site }) => {
  const id = await chat.begin();
  const keys = await onMessage(page, (attempt) => (attempt === 1 ? "lose" : "pass"));
  await chat.say("hello");
  await expect(chat.log.getByText("Hello yourself!")).toBeVisible();
  expect(new Set(keys).size).toBe(1);
  expect(await site.transcript(id)).toEqual(HELLO);
  expect(await chat.lines()).toEqual(HELLO);
});

test("a message that can't be sent says why; a double click on Retry sends it once", async ({ chat, page, site }) => {
  const id = await chat.begin();
  let broken = true;
  const keys = await onMessage(page, () => (broken ? "lose" : "pass"));
  await chat.say("hello");
  await expect(chat.log.getByText(/The server can’t be reached. Next try in \d s/)).toBeVisible();
  const failed = chat.log.getByText("Not sent. The server can’t be reached.");
  await expect(failed).toBeVisible();
  await expect(page.getByTestId("announcer")).toContainText("Not sent.");
  broken = false;
  await chat.button("Retry").dblclick();
  await expect(failed).toHaveCount(0);
  await expect(chat.log.getByText("Hello yourself!")).toBeVisible();
  expect(new Set(keys).size).toBe(1);
  expect(await site.transcript(id)).toEqual(HELLO);
  expect(await chat.lines()).toEqual(HELLO);
});

test("a message that can't be sent can be changed and sent, also as it was", async ({ chat, page, site }) => {
  const id = await chat.begin();
  let broken = true;
  const keys = await onMessage(page, () => (broken ? "lose" : "pass"));
  await chat.say("hello");
  await expect(chat.log.getByText(/Next try/)).toBeVisible();
  await chat.button("Edit").click();
  await expect(chat.box).toHaveValue("hello");
  await expect(chat.box).toBeFocused();
  broken = false;
  await chat.box.press("Enter");
  await expect(chat.log.getByText("Hello yourself!")).toBeVisible();
  expect(new Set(keys).size).toBe(1);
  expect(await site.transcript(id)).toEqual(HELLO);
});

test("a reload in the middle of sending never posts twice", async ({ chat, page, site }) => {
  const id = await chat.begin();
  await page.route("**/message", async (route) => {
    await route.fetch();
    // No answer: the page is closed before.
  });
  await chat.say("hello");
  await expect.poll(() => site.transcript(id)).toEqual(HELLO);
  await page.unroute("**/message");
  await page.reload();
  await expect(chat.log.getByText("Hello yourself!")).toBeVisible();
  await expect(chat.log.locator("[data-state]")).toHaveCount(0);
  // Not before it was sent again, and answered.
  await expect.poll(() => page.evaluate(() => JSON.stringify(localStorage).includes("sillychat.unsent"))).toBe(false);
  expect(await chat.lines()).toEqual(HELLO);
  expect(await site.transcript(id)).toEqual(HELLO);
});

test("what is said quickly arrives in order", async ({ chat, page, site }) => {
  const id = await chat.begin();
  await onMessage(page, (attempt) => (attempt === 1 ? "lose" : "pass"));
  const texts = Array.from({ length: 30 }, (_, index) => `number ${index}`);
  for (const text of texts) {
    await chat.say(text);
  }
  await expect(chat.log.locator("[data-state]")).toHaveCount(0);
  await expect.poll(() => site.transcript(id)).toHaveLength(61);
  const said = (await site.transcript(id)).filter((line) => line.startsWith("USER"));
  expect(said).toEqual(texts.map((text) => `USER ${text}`));
  const shown = (await chat.lines()).filter((line) => line.startsWith("USER"));
  expect(shown).toEqual(said.slice(-shown.length));
});

test("what is said offline is kept, survives the page, and goes out when the network is back", async ({
  chat,
  page,
  context,
  site,
}) => {
  const id = await chat.begin();
  await context.setOffline(true);
  await expect(page.getByText("You’re offline.")).toBeVisible();
  await chat.say("one");
  await chat.say("two");
  await expect(chat.log.getByText("Will be sent when you’re online")).toHaveCount(2);
  await page.close();
  await context.setOffline(false);
  const next = await context.newPage();
  await next.goto(`${site.url}/#/chat/${id}`);
  await expect.poll(() => site.transcript(id)).toHaveLength(5);
  await expect(chatOn(next).log.locator("[data-state]")).toHaveCount(0);
  await context.setOffline(true);
  await chatOn(next).say("three");
  await context.setOffline(false);
  await expect.poll(() => site.transcript(id)).toContain("USER three");
  await expect(next.getByText("You’re offline.")).toHaveCount(0);
});

test("a draft survives a reload", async ({ chat, page }) => {
  await chat.begin();
  await chat.box.fill("half a tho");
  await page.reload();
  await expect(chat.box).toHaveValue("half a tho");
});

test("who is too fast waits as told, and everything arrives in order", async ({ browser, storage }) => {
  const site = await Site.start(storage, { rateLimit: 1 });
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(site.url);
  const chat = chatOn(page);
  await chat.button("Begin chat").click();
  await expect(chat.box).toBeVisible();
  for (const text of ["one", "two", "three"]) {
    await chat.say(text);
  }
  await expect(chat.log.getByText(/That was a bit fast/).first()).toBeVisible();
  await expect(chat.log.locator("[data-state]")).toHaveCount(0, { timeout: 30_000 });
  const said = (await chat.lines()).filter((line) => line.startsWith("USER"));
  expect(said).toEqual(["USER one", "USER two", "USER three"]);
  await context.close();
  await site.end();
});

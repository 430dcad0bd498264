/**
 * Each state of the page, looked at by axe-core in light and dark, and by people: pictures go to target/screenshots,
 * of a desktop, a phone, and the dark.
 */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

import type axe from "axe-core";
import type { Page } from "@playwright/test";

import { expect, test, type Chat } from "./world/test";
import type { Site } from "./world/site";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PICTURES = resolve(import.meta.dirname, "../../target/screenshots");
const DAY_MS = 86_400_000;

type World = { readonly chat: Chat; readonly page: Page; readonly site: Site };

const STATES: Record<string, (world: World) => Promise<void>> = {
  welcome: async ({ page, chat }) => {
    await page.goto("/#/");
    await expect(chat.button("Begin chat")).toBeVisible();
  },
  "welcome-failed": async ({ page, chat }) => {
    await page.goto("/#/");
    await page.route("**/start_chat", (route) => route.abort());
    await chat.button("Begin chat").click();
    await expect(page.getByRole("alert")).toBeVisible();
  },
  begun: async ({ chat }) => {
    await chat.begin();
  },
  conversation: async ({ chat, page, site }) => {
    const id = crypto.randomUUID();
    const ago = (days: number) => new Date(Date.now() - days * DAY_MS);
    site.import(id, [
      { sender: "BOT", text: "Welcome!", at: ago(40) },
      { sender: "USER", text: "What do you know about whales?", at: ago(40) },
      {
        sender: "BOT",
        text: "They are large, they sing, and none of them has ever read my documentation.",
        at: ago(40),
      },
      {
        sender: "USER",
        text: "Where can I read more? I have a whole evening, tea, and nothing else to do.",
        at: ago(1),
      },
      { sender: "BOT", text: "Here: https://example.org/whales?chapter=1 🐳", at: ago(1) },
      { sender: "USER", text: "Thanks!", at: ago(0) },
    ]);
    await page.goto(`/#/chat/${id}`);
    await chat.talk("hello");
  },
  "conversation-rtl": async ({ chat }) => {
    await chat.begin();
    await chat.talk("مرحبا، كيف حالك اليوم؟ أريد أن أعرف كل شيء عن الحيتان.");
    await chat.talk("שלום! https://example.org/ היא כתובת טובה.");
    await chat.talk("mixed: abc ثم عربي 123 then English");
  },
  "long-texts": async ({ chat }) => {
    await chat.begin();
    await chat.talk(`a word ${"Donaudampfschifffahrtsgesellschaft".repeat(12)}`);
    await chat.talk("one\ntwo\n\nthree 👩‍👩‍👧‍👦🏳️‍🌈");
  },
  sending: async ({ chat, page }) => {
    await chat.begin();
    await page.route("**/message", () => undefined);
    await chat.say("hello");
    await expect(page.getByTestId("typing")).toBeVisible();
    await expect(page.getByText("This takes longer")).toBeVisible();
  },
  waiting: async ({ chat, page }) => {
    await chat.begin();
    await page.route("**/message", (route) =>
      route.fulfill({ status: 429, headers: { "Retry-After": "30" }, json: { detail: "too many requests" } }),
    );
    await chat.say("hello");
    await expect(page.getByText("Next try in")).toBeVisible();
  },
  failed: async ({ chat, page }) => {
    await chat.begin();
    await page.route("**/message", (route) => route.fulfill({ status: 422, json: { detail: "text: no whales" } }));
    await chat.say("Is there anybody out there?");
    await expect(page.getByText("Not sent.").first()).toBeVisible();
  },
  "too-long": async ({ chat }) => {
    await chat.begin();
    await chat.box.fill("far too long ".repeat(400));
  },
  offline: async ({ chat, page }) => {
    await chat.begin();
    await page.context().setOffline(true);
    await chat.say("hello");
    await expect(page.getByText("You’re offline.")).toBeVisible();
  },
  gone: async ({ chat, page, site }) => {
    const id = await chat.begin();
    await chat.talk("hello");
    await site.delete(id);
    await page.reload();
    await expect(page.getByRole("alert")).toBeVisible();
  },
  unreadable: async ({ chat, page, site }) => {
    await page.route("**/transcript/*", (route) => route.fulfill({ status: 503, json: { detail: "later" } }));
    await page.goto(`/#/chat/${await site.newChat()}`);
    await expect(page.getByRole("alert")).toBeVisible({ timeout: 20_000 });
    await expect(chat.box).toBeVisible();
  },
  "storage-disabled": async ({ chat, page }) => {
    await page.addInitScript(() => {
      Object.defineProperty(window, "localStorage", { value: null });
    });
    await chat.begin();
    await expect(chat.button("Dismiss")).toBeVisible();
  },
  "new-messages": async ({ chat, page, site }) => {
    const id = crypto.randomUUID();
    const at = new Date(Date.now() - DAY_MS);
    const lines = Array.from({ length: 80 }, (_, index) => ({ sender: "BOT" as const, text: `number ${index}`, at }));
    site.import(id, lines);
    await page.goto(`/#/chat/${id}`);
    await expect(chat.log.getByText("number 79")).toBeVisible();
    await chat.log.evaluate((box) => {
      box.scrollTop = 0;
    });
    await expect(chat.button("To the newest")).toBeVisible();
    await site.say(id, "more");
    await page.evaluate(() => {
      const now = Date.now();
      Date.now = () => now + 60_000;
      window.dispatchEvent(new Event("focus"));
    });
    await expect(chat.button("2 new messages")).toBeVisible();
  },
  menu: async ({ chat }) => {
    await chat.begin();
    await chat.button("Menu").click();
    await expect(chat.button("Export transcript")).toBeVisible();
  },
  "next-failed": async ({ chat, page }) => {
    await severalChats(chat);
    await page.route("**/start_chat", (route) => route.abort());
    await chat.button("New chat").click();
    await expect(page.getByRole("alert")).toContainText("A new chat couldn’t begin");
  },
  chats: async ({ chat, page }) => {
    await severalChats(chat);
    await page.setViewportSize({ width: 390, height: 844 });
    await chat.button("Chats").click();
    await expect(page.getByRole("dialog").getByRole("link")).toHaveCount(3);
  },
  delete: async ({ chat, page }) => {
    await chat.begin();
    await page.route("**/transcript/*", (route) => route.abort());
    await chat.menu("Delete this chat");
    await page.getByRole("dialog").getByRole("button", { name: "Delete", exact: true }).click();
    await expect(page.getByRole("dialog").getByRole("alert")).toContainText("couldn’t be deleted");
  },
  stumbled: async ({ page, site }) => {
    await page.addInitScript(() => {
      Object.defineProperty(Intl.DateTimeFormat.prototype, "format", {
        get: () => () => {
          throw new Error("broken on purpose");
        },
      });
    });
    await page.goto(`/#/chat/${await site.newChat()}`);
    await expect(page.getByText("This page has stumbled")).toBeVisible();
  },
  german: async ({ chat, page }) => {
    await chat.begin();
    await chat.talk("hello");
    await chat.button("Menu").click();
    await page.getByRole("radio", { name: "Deutsch" }).click();
    await expect(page.getByText("Sprache")).toBeVisible();
  },
};

async function severalChats(chat: Chat) {
  for (const text of ["What do you know about whales?", "hello", "ما هي الحيتان؟"]) {
    await chat.begin();
    await chat.talk(text);
  }
}

for (const [name, bring] of Object.entries(STATES)) {
  test(`${name} is accessible, and has its picture taken`, async ({ chat, page, site, storage }) => {
    await page.emulateMedia({ reducedMotion: "reduce" });
    await bring({ chat, page, site });
    for (const [variant, colorScheme, width, height] of [
      ["desktop", "light", 1280, 800],
      ["desktop-dark", "dark", 1280, 800],
      ["phone", "light", 390, 844],
      ["small-phone-dark", "dark", 320, 640],
    ] as const) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height });
      if (variant !== "small-phone-dark") {
        expect(await violations(page)).toEqual([]);
      }
      expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(
        0,
      );
      if (storage === "sqlite") {
        await page.screenshot({ path: join(PICTURES, `${name}-${variant}.png`) });
      }
    }
  });
}

/** What axe-core finds, with its rules for WCAG 2.2 AA and good practice. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const found = await (window as unknown as { axe: typeof axe }).axe.run(document, { resultTypes: ["violations"] });
    return found.violations.flatMap(({ id, nodes }) =>
      nodes.map(({ target, failureSummary }) => `${id}: ${target.join(" ")}: ${failureSummary ?? ""}`),
    );
  });
}

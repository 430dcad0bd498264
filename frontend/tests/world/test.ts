/** What every test starts from: a site of its worker, and a page that makes no request elsewhere and hides no error. */

import { test as base, expect, type BrowserContext, type Locator, type Page } from "@playwright/test";

import { Site, type Storage } from "./site";

export type Options = { storage: Storage };

export type Chat = {
  readonly page: Page;
  readonly log: Locator;
  readonly box: Locator;
  readonly begin: () => Promise<string>;
  readonly say: (text: string) => Promise<void>;
  /** Says something, and waits for the answer. */
  readonly talk: (text: string) => Promise<void>;
  /** Lines "USER hello", as they are shown. */
  readonly lines: () => Promise<string[]>;
  readonly button: (name: string) => Locator;
  readonly menu: (name: string) => Promise<void>;
  readonly id: () => string;
};

type Fixtures = { chat: Chat };
type WorkerFixtures = Options & { site: Site };

export const test = base.extend<Fixtures, WorkerFixtures>({
  storage: ["sqlite", { option: true, scope: "worker" }],
  site: [
    async ({ storage }, provide) => {
      const site = await Site.start(storage);
      await provide(site);
      await site.end();
    },
    { scope: "worker" },
  ],
  baseURL: async ({ site }, provide) => {
    await provide(site.url);
  },
  chat: async ({ page, site }, provide) => {
    const troubles = watch(page.context(), site.url);
    await provide(chatOn(page));
    expect(troubles).toEqual([]);
  },
});

export { expect };

/** Requests to others, breaches of the Content-Security-Policy, and errors that nobody caught. */
export function watch(context: BrowserContext, url: string): string[] {
  const troubles: string[] = [];
  context.on("request", (request) => {
    const other = !request.url().startsWith(url) && !/^(blob|data|about|chrome-error):/.test(request.url());
    if (other) {
      troubles.push(`request to ${request.url()}`);
    }
  });
  context.on("weberror", (error) => {
    troubles.push(`error ${error.error().message}`);
  });
  context.on("console", (message) => {
    if (/Content.Security.Policy|Warning:|React/.test(message.text())) {
      troubles.push(message.text());
    }
  });
  return troubles;
}

export function chatOn(page: Page): Chat {
  const log = page.getByRole("log");
  const box = page.getByRole("textbox", { name: "Message" });
  const button = (name: string) => page.getByRole("button", { name, exact: true });
  const id = () => /#\/chat\/(.+)$/.exec(page.url())?.[1] ?? "";
  const say = async (text: string) => {
    await box.fill(text);
    await box.press("Enter");
  };
  return {
    page,
    log,
    box,
    button,
    id,
    say,
    begin: async () => {
      await page.goto("/#/");
      await page
        .getByRole("button", { name: /^(Begin chat|New chat)$/ })
        .first()
        .click();
      await expect(log.getByText("Welcome!")).toBeVisible();
      return id();
    },
    talk: async (text) => {
      const said = log.locator(`[data-sender=USER]:not([data-state])`).filter({ hasText: text });
      const before = await said.count();
      await say(text);
      await expect(said).toHaveCount(before + 1);
      await expect(page.getByTestId("typing")).toHaveCount(0);
    },
    lines: () =>
      log.locator("[data-sender]").evaluateAll((messages) =>
        messages.map((message) => {
          const { sender = "" } = (message as HTMLElement).dataset;
          return `${sender} ${message.querySelector(".bubble")?.textContent ?? ""}`;
        }),
      ),
    menu: async (name) => {
      await button("Menu").click();
      await button(name).click();
    },
  };
}

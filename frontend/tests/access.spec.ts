/** For everyone: by keyboard, with a screen reader, in the dark, enlarged, and in German. */

import { expect, test } from "./world/test";

test("everything works by keyboard alone, in the order of the page", async ({ chat, page, site }) => {
  await page.goto("/");
  await expect(chat.button("Begin chat")).toBeVisible();
  await page.keyboard.press("Tab");
  await expect(chat.button("Menu")).toBeFocused();
  await page.keyboard.press("Tab");
  await expect(chat.button("Begin chat")).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(chat.box).toBeFocused();
  await page.keyboard.type("hello");
  await page.keyboard.press("Enter");
  await expect(chat.log.getByText("Hello yourself!")).toBeVisible();
  await page.keyboard.press("Shift+Tab");
  await expect(chat.log.getByRole("button", { name: "Copy message" }).last()).toBeFocused();

  await page.reload();
  await expect(chat.log.getByText("Hello yourself!")).toBeVisible();
  const order = ["Skip to the message box", "Menu", "New chat", "hello", "Conversation"];
  for (const name of order) {
    await page.keyboard.press("Tab");
    await expect(page.locator(":focus")).toHaveAccessibleName(new RegExp(`^${name}`));
  }
  await page.reload();
  await expect(chat.log.getByText("Hello yourself!")).toBeVisible();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await expect(chat.box).toBeFocused();

  const id = chat.id();
  await chat.button("Menu").focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await expect(chat.button("Delete this chat")).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("dialog")).toBeVisible();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await expect(page.getByText("The chat is deleted.")).toBeVisible();
  expect((await fetch(`${site.url}/transcript/${id}`)).status).toBe(404);
});

test("a window that closes gives the keyboard's focus back", async ({ chat, page }) => {
  await chat.begin();
  await page.setViewportSize({ width: 400, height: 700 });
  const dialog = page.getByRole("dialog");
  const closeBy = async (key: "Escape" | "Enter") => {
    await expect(dialog).toBeVisible();
    await page.keyboard.press(key);
    await expect(dialog).toHaveCount(0);
  };
  for (const key of ["Escape", "Enter"] as const) {
    await chat.button("Chats").press("Enter");
    await closeBy(key);
    await expect(chat.button("Chats")).toBeFocused();
    await chat.button("Menu").press("Enter");
    await chat.button("Delete this chat").press("Enter");
    await closeBy(key);
    await expect(chat.button("Menu")).toBeFocused();
  }
  await chat.button("Menu").press("Enter");
  await chat.button("Delete this chat").press("Enter");
  await dialog.getByRole("button", { name: "Delete", exact: true }).press("Enter");
  await expect(dialog).toHaveCount(0);
  await expect(chat.button("Menu")).toBeFocused();
});

test("what the bot says is read out, what is already there isn't", async ({ chat, page }) => {
  await chat.begin();
  const announcer = page.getByTestId("announcer");
  await expect(announcer).toHaveAttribute("aria-live", "polite");
  await expect(announcer).toHaveText("Bot: Welcome!");
  await expect(chat.log).toHaveAccessibleName("Conversation");
  await page.route("**/message", (route) => route.fulfill({ status: 422, json: { detail: "no whales" } }));
  await chat.say("whale");
  await expect(announcer).toHaveText("Not sent. The server refused this.");
  await page.unroute("**/message");
  await chat.talk("hello");
  await expect(announcer).toHaveText("Bot: Hello yourself!");
  await page.reload();
  await expect(chat.log.getByText("Hello yourself!")).toBeVisible();
  await expect(announcer).toBeEmpty();
});

test("light and dark follow the system, and can be chosen", async ({ chat, page }) => {
  await page.emulateMedia({ colorScheme: "dark" });
  await page.goto("/");
  await expect(chat.button("Begin chat")).toBeVisible();
  const brightness = () =>
    page.evaluate(() => {
      const [red = 0] = getComputedStyle(document.body).backgroundColor.match(/[\d.]+/g) ?? [];
      return Number(red) > 127 ? "light" : "dark";
    });
  expect(await brightness()).toBe("dark");
  await page.emulateMedia({ colorScheme: "light" });
  expect(await brightness()).toBe("light");
  await chat.button("Menu").click();
  await page.getByRole("radio", { name: "Dark" }).check();
  await expect.poll(brightness).toBe("dark");
  await page.reload({ waitUntil: "commit" });
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
  expect(await brightness()).toBe("dark");
});

test("the page speaks German where the browser does, and changes its language on request", async ({
  browser,
  site,
}) => {
  const context = await browser.newContext({ locale: "de-AT" });
  const page = await context.newPage();
  await page.goto(site.url);
  await expect(page.locator("html")).toHaveAttribute("lang", "de");
  await page.getByRole("button", { name: "Chat beginnen" }).click();
  await page.getByRole("textbox", { name: "Nachricht" }).fill("hello");
  await page.getByRole("button", { name: "Senden" }).click();
  await expect(page.getByRole("log").getByText("Hello yourself!")).toBeVisible();
  await expect(page.getByText("Heute")).toBeVisible();
  await page.getByRole("button", { name: "Menü" }).click();
  await page.getByRole("radio", { name: "English" }).click();
  await expect(page.getByRole("button", { name: "New chat" })).toBeVisible();
  await page.reload();
  await expect(page.getByRole("button", { name: "New chat" })).toBeVisible();
  await expect(page.locator("html")).toHaveAttribute("lang", "en");
  await context.close();
});

test("who wants less motion gets none", async ({ chat, page }) => {
  await page.emulateMedia({ reducedMotion: "reduce" });
  await chat.begin();
  await page.route("**/message", () => undefined);
  await chat.say("hello");
  const dot = page.getByTestId("typing").locator("span").first();
  expect(await dot.evaluate((dot) => getComputedStyle(dot).animationName)).toBe("none");
});

for (const [name, width, height] of [
  ["320 pixels", 320, 640],
  ["a zoom of 200 % on a small screen", 512, 384],
  ["a zoom of 400 %", 320, 256],
] as const) {
  test(`nothing is cut off at ${name}`, async ({ chat, page }) => {
    await page.setViewportSize({ width, height });
    await chat.begin();
    await chat.talk("hello");
    const tooWide = () => page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
    expect(await tooWide()).toBe(false);
    for (const part of [chat.box, chat.button("Send"), chat.button("Menu"), chat.button("Chats")]) {
      await expect(part).toBeInViewport({ ratio: 1 });
    }
    await chat.button("Menu").click();
    await chat.button("Delete this chat").scrollIntoViewIfNeeded();
    await page.getByText("Deutsch").scrollIntoViewIfNeeded();
    await expect(page.getByText("Deutsch")).toBeInViewport();
    await page.keyboard.press("Escape");
    await chat.button("Chats").click();
    await expect(page.getByRole("dialog").getByRole("link", { name: "hello" })).toBeVisible();
    await page.keyboard.press("Escape");
    await expect(page.getByRole("dialog")).toHaveCount(0);
    expect(await tooWide()).toBe(false);
  });
}

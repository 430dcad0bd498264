/** Chats: begun, found again, left, deleted, and known by their address. */

import { chatOn, expect, test } from "./world/test";

test("Begin chat greets, puts the cursor in the box, and the address names the chat", async ({ chat, page }) => {
  await page.goto("/");
  await expect(page).toHaveTitle("Silly chat");
  await chat.button("Begin chat").click();
  await expect(chat.log.getByText("Welcome!")).toBeVisible();
  await expect(chat.box).toBeFocused();
  expect(chat.id()).toMatch(/^[0-9a-f]{8}-[0-9a-f-]{27}$/);
});

test("pressed twice, Begin chat begins one chat", async ({ chat, page }) => {
  await page.goto("/");
  let begun = 0;
  await page.route("**/start_chat", async (route) => {
    begun += 1;
    await route.continue();
  });
  await chat.button("Begin chat").dblclick();
  await expect(chat.log.getByText("Welcome!")).toBeVisible();
  expect(begun).toBe(1);
});

test("a reload shows the chat at once from the browser's memory, then confirms it", async ({ chat, page, site }) => {
  const id = await chat.begin();
  await chat.talk("hello");
  await site.say(id, "said elsewhere");
  let confirm: (() => void) | undefined;
  const held = new Promise<void>((resolve) => (confirm = resolve));
  await page.route("**/transcript/*", async (route) => {
    await held;
    await route.continue();
  });
  await page.reload();
  await expect(chat.log.getByText("Hello yourself!")).toBeVisible();
  await expect(chat.log.getByText("said elsewhere")).toHaveCount(0);
  confirm?.();
  await expect(chat.log.getByText("said elsewhere")).toBeVisible();
  expect((await chat.lines()).slice(0, 3)).toEqual(["BOT Welcome!", "USER hello", "BOT Hello yourself!"]);
});

test("the plain address leads to the chat that was used last", async ({ chat, page }) => {
  const id = await chat.begin();
  await chat.talk("hello");
  await page.goto("about:blank");
  await page.goto("/");
  await expect(chat.log.getByText("Hello yourself!")).toBeVisible();
  expect(chat.id()).toBe(id);
});

test("a chat that the server no longer knows is explained, and replaced on request", async ({ chat, page, site }) => {
  const id = await chat.begin();
  await chat.talk("hello");
  await chat.box.fill("not sent yet");
  await site.delete(id);
  await page.reload();
  await expect(page.getByRole("alert")).toContainText("This chat is no longer there");
  expect(chat.id()).toBe(id);
  await chat.button("Begin a new chat").click();
  await expect.poll(chat.id).not.toBe(id);
  await expect(chat.log.getByText("Welcome!")).toBeVisible();
  await expect(chat.box).toHaveValue("not sent yet");
  await expect(page.getByRole("navigation", { name: "Chats" }).getByRole("link")).toHaveCount(1);
});

test("a chat that is no longer there can be removed from the list", async ({ chat, page, site }) => {
  const id = await chat.begin();
  await site.delete(id);
  await page.reload();
  await chat.button("Remove from the list").click();
  await expect(chat.button("Begin chat")).toBeVisible();
  await expect(page.getByRole("navigation", { name: "Chats" })).toHaveCount(0);
});

test("an address that names no chat is explained", async ({ page }) => {
  await page.goto("/#/chat/nonsense");
  await expect(page.getByRole("alert")).toContainText("This chat is no longer there");
});

test("chats are listed with their first words and time; back and forward go between them", async ({ chat, page }) => {
  const first = await chat.begin();
  await chat.talk("tell me about whales");
  await chat.button("New chat").click();
  await expect(chat.log.locator("[data-sender]")).toHaveCount(1);
  const second = chat.id();
  expect(second).not.toBe(first);
  await chat.talk("and now about owls");
  const links = page.getByRole("navigation", { name: "Chats" }).getByRole("link");
  await expect(links).toHaveText([/^and now about owls\d\d:\d\d/, /^tell me about whales\d\d:\d\d/]);
  await expect(links.first()).toHaveAttribute("aria-current", "page");
  await links.nth(1).click();
  await expect(chat.log.getByText("tell me about whales")).toBeVisible();
  await page.goBack();
  await expect(chat.log.getByText("and now about owls")).toBeVisible();
  await page.goForward();
  await expect(chat.log.getByText("tell me about whales")).toBeVisible();
  expect(chat.id()).toBe(first);
  await expect(page).toHaveTitle("tell me about whales · Silly chat");
});

test("a bookmark opens its chat, in a browser that never saw it", async ({ chat, browser, site }) => {
  const id = await chat.begin();
  await chat.talk("hello");
  const other = await browser.newContext();
  const page = await other.newPage();
  await page.goto(`${site.url}/#/chat/${id}`);
  await expect(chatOn(page).log.getByText("Hello yourself!")).toBeVisible();
  await expect(page.getByRole("navigation", { name: "Chats" }).getByRole("link", { name: "hello" })).toBeVisible();
  await other.close();
});

test("each chat keeps a draft of its own", async ({ chat, page }) => {
  await chat.begin();
  await chat.box.fill("for the first");
  await chat.button("New chat").click();
  await expect(chat.box).toHaveValue("");
  await chat.box.fill("for the second");
  await page.goBack();
  await expect(chat.box).toHaveValue("for the first");
});

test("Delete asks first, and then the chat is gone from server, list and history", async ({ chat, page, site }) => {
  const id = await chat.begin();
  await chat.talk("hello");
  await chat.menu("Delete this chat");
  const dialog = page.getByRole("dialog", { name: "Delete this chat?" });
  await expect(dialog).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(dialog).toHaveCount(0);
  await chat.menu("Delete this chat");
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await expect(dialog).toHaveCount(0);
  expect(await site.transcript(id)).toHaveLength(3);
  await chat.menu("Delete this chat");
  await dialog.getByRole("button", { name: "Delete", exact: true }).click();
  await expect(page.getByText("The chat is deleted.")).toBeVisible();
  await expect(chat.button("Begin chat")).toBeVisible();
  expect((await fetch(`${site.url}/transcript/${id}`)).status).toBe(404);
  expect(await page.evaluate((id) => JSON.stringify(localStorage).includes(id), id)).toBe(false);
});

test("who goes back while asked whether to delete isn't asked about another chat", async ({ chat, page }) => {
  await chat.begin();
  await chat.talk("hello");
  await chat.button("New chat").click();
  await expect(chat.log.locator("[data-sender]")).toHaveCount(1);
  await chat.menu("Delete this chat");
  await expect(page.getByRole("dialog")).toBeVisible();
  await page.goBack();
  await expect(page.getByRole("dialog")).toHaveCount(0);
  await page.goForward();
  await expect(chat.log.locator("[data-sender]")).toHaveCount(1);
  await expect(page.getByRole("dialog")).toHaveCount(0);
});

test("a chat that can't be deleted stays, and says why", async ({ chat, page }) => {
  const id = await chat.begin();
  await page.route(`**/transcript/${id}`, (route) =>
    route.request().method() === "DELETE" ? route.abort() : route.continue(),
  );
  await chat.menu("Delete this chat");
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Delete", exact: true }).click();
  await expect(dialog.getByRole("alert")).toContainText("The server can’t be reached.");
  await page.unroute(`**/transcript/${id}`);
  await dialog.getByRole("button", { name: "Delete", exact: true }).click();
  await expect(chat.button("Begin chat")).toBeVisible();
});

test("of a chat that is deleted while a message is under way, nothing is kept", async ({ chat, page }) => {
  const id = await chat.begin();
  let pass: (() => void) | undefined;
  const held = new Promise<void>((resolve) => (pass = resolve));
  await page.route("**/message", async (route) => {
    await held;
    await route.continue();
  });
  await chat.say("hello");
  await chat.menu("Delete this chat");
  await page.getByRole("dialog").getByRole("button", { name: "Delete", exact: true }).click();
  await expect(chat.button("Begin chat")).toBeVisible();
  const answered = page.waitForResponse("**/message");
  pass?.();
  expect((await answered).status()).toBe(404);
  await page.evaluate(() => new Promise((resolve) => requestIdleCallback(resolve)));
  expect(await page.evaluate((id) => JSON.stringify(localStorage).includes(id), id)).toBe(false);
});

test("that another chat couldn't begin is said here, and forgotten elsewhere", async ({ chat, page }) => {
  await chat.begin();
  await chat.talk("hello");
  await chat.button("New chat").click();
  await expect(chat.log.locator("[data-sender]")).toHaveCount(1);
  await page.route("**/start_chat", (route) => route.abort());
  await chat.button("New chat").click();
  await expect(page.getByRole("alert")).toContainText("A new chat couldn’t begin");
  await page.goBack();
  await expect(chat.log.getByText("Hello yourself!")).toBeVisible();
  await expect(page.getByRole("alert")).toHaveCount(0);
});

test("the chat that release 0.2 kept is shown at once", async ({ chat, page, site }) => {
  const id = await site.newChat();
  await site.say(id, "hello");
  await page.goto("/#/");
  await page.evaluate((chatId) => {
    localStorage.setItem("sillychat.chat", chatId);
  }, id);
  await page.goto("about:blank");
  await page.goto("/");
  await expect(chat.log.getByText("Hello yourself!")).toBeVisible();
  expect(chat.id()).toBe(id);
});

test("what release 0.2 kept is taken over", async ({ chat, page, site }) => {
  const id = await site.newChat();
  await site.say(id, "hello");
  await page.goto("/#/");
  await page.evaluate((chatId) => {
    localStorage.setItem("sillychat.chat", chatId);
    const exchanges = [{ key: "b1a7c9a0-4a1e-4a5e-9d6f-0f8c4c6d1f3e", text: "late", progress: { state: "failed" } }];
    localStorage.setItem("sillychat.unsent", JSON.stringify({ chatId, draft: "half a tho", exchanges }));
  }, id);
  await page.goto("about:blank");
  await page.goto("/");
  await expect(chat.log.getByText("Hello yourself!")).toBeVisible();
  await expect(chat.box).toHaveValue("half a tho");
  await expect.poll(() => site.transcript(id)).toContain("USER late");
});

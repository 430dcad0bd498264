/** Servers, networks, storage and windows that misbehave. */

import { Site } from "./world/site";
import { chatOn, expect, test } from "./world/test";

test("a server that goes and comes back loses nothing", async ({ browser, storage }) => {
  const site = await Site.start(storage);
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(site.url);
  const chat = chatOn(page);
  await chat.button("Begin chat").click();
  await chat.talk("hello");
  await site.killServer();
  await chat.say("are you there?");
  await expect(chat.log.getByText(/Next try in/)).toBeVisible();
  await site.startServer();
  await expect(chat.log.locator("[data-state]")).toHaveCount(0, { timeout: 20_000 });
  expect(await site.transcript(chat.id())).toEqual([
    "BOT Welcome!",
    "USER hello",
    "BOT Hello yourself!",
    "USER are you there?",
    "BOT Let me think about that.",
  ]);
  await context.close();
  await site.end();
});

test("without a server, beginning fails with a reason and can be tried again", async ({ chat, page }) => {
  await page.goto("/#/");
  await page.route("**/start_chat", (route) => route.abort());
  await chat.button("Begin chat").click();
  await expect(page.getByRole("alert")).toContainText("The chat couldn’t begin");
  await expect(page.getByRole("alert")).toContainText("The server can’t be reached.");
  await expect(chat.button("Retry")).toBeFocused();
  await page.unroute("**/start_chat");
  await chat.button("Retry").click();
  await expect(chat.log.getByText("Welcome!")).toBeVisible();
});

test("a chat that can't be read shows what the browser remembers, and says so", async ({ chat, page }) => {
  await chat.begin();
  await chat.talk("hello");
  await page.route("**/transcript/*", (route) => route.fulfill({ status: 500, body: "<h1>oops</h1>" }));
  await page.reload();
  await expect(page.getByRole("alert")).toContainText("Your chat couldn’t be loaded", { timeout: 20_000 });
  await expect(page.getByRole("alert")).toContainText("The server isn’t available right now.");
  await expect(chat.log.getByText("Hello yourself!")).toBeVisible();
  await page.unroute("**/transcript/*");
  await chat.button("Retry").click();
  await expect(page.getByRole("alert")).toHaveCount(0);
});

test("a slow server is waited for, and the person is told", async ({ chat, page, site }) => {
  await chat.begin();
  await site.pauseServer();
  await chat.say("hello");
  await expect(page.getByTestId("typing")).toBeVisible();
  await expect(page.getByText("This takes longer than usual…")).toBeVisible();
  await site.resumeServer();
  await expect(chat.log.getByText("Hello yourself!")).toBeVisible();
});

test("on a slow network the page shows something before its script has come", async ({ page, context }) => {
  const devtools = await context.newCDPSession(page);
  await devtools.send("Network.enable");
  await devtools.send("Network.emulateNetworkConditions", {
    offline: false,
    latency: 300,
    downloadThroughput: (400 * 1024) / 8,
    uploadThroughput: (400 * 1024) / 8,
  });
  await page.goto("/#/", { waitUntil: "commit" });
  await expect(page.getByRole("heading", { name: "Silly chat" })).toBeVisible();
  await expect(page.getByRole("button", { name: "Begin chat" })).toHaveCount(0);
  await expect(page.getByRole("button", { name: "Begin chat" })).toBeVisible();
});

for (const [name, answer] of [
  ["an error with a page of HTML", { status: 500, contentType: "text/html", body: "<h1>oops</h1>" }],
  ["a gateway's 502", { status: 502, body: "" }],
  ["broken JSON", { status: 200, contentType: "application/json", body: '{"reply": "Hel' }],
  ["JSON of another shape", { status: 200, contentType: "application/json", body: '{"reply": 5}' }],
] as const) {
  test(`after ${name} the message is sent again, and recorded once`, async ({ chat, page, site }) => {
    const id = await chat.begin();
    let attempts = 0;
    await page.route("**/message", async (route) => {
      attempts += 1;
      if (attempts > 1) {
        return route.continue();
      }
      await route.fetch();
      return route.fulfill(answer);
    });
    await chat.say("hello");
    await expect(chat.log.getByText(/Next try in/)).toBeVisible();
    await expect(chat.log.getByText("Hello yourself!")).toBeVisible();
    expect(await site.transcript(id)).toEqual(["BOT Welcome!", "USER hello", "BOT Hello yourself!"]);
  });
}

test("a message that the server refuses says why, and can only be changed", async ({ chat, page }) => {
  await chat.begin();
  const detail = "text: must not contain whales";
  await page.route("**/message", (route) => route.fulfill({ status: 422, json: { detail } }));
  await chat.say("hello");
  await expect(chat.log.getByText(`Not sent. The server refused this. (${detail})`)).toBeVisible();
  await expect(chat.button("Retry")).toHaveCount(0);
  await chat.button("Edit").click();
  await expect(chat.box).toHaveValue("hello");
});

test("a chat that vanishes under a message is explained, and the words go with the person", async ({
  chat,
  page,
  site,
}) => {
  const id = await chat.begin();
  await site.delete(id);
  await chat.say("hello");
  await expect(page.getByRole("alert")).toContainText("This chat is no longer there");
  await chat.button("Begin a new chat").click();
  await expect(chat.box).toHaveValue("hello");
});

test("a browser that keeps nothing is told of, and the address still leads back", async ({ chat, page }) => {
  await page.addInitScript(() => {
    Object.defineProperty(window, "localStorage", {
      get: () => {
        throw new DOMException("denied", "SecurityError");
      },
    });
  });
  await chat.begin();
  await expect(page.getByText("This browser keeps nothing for this page.")).toBeVisible();
  await chat.talk("hello");
  await chat.button("Dismiss").click();
  await expect(chat.button("Dismiss")).toHaveCount(0);
  await page.reload();
  await expect(chat.log.getByText("Hello yourself!")).toBeVisible();
});

test("a full storage loses copies first, then says so, and the chat goes on", async ({ chat, page }) => {
  await chat.begin();
  await chat.talk("hello");
  await page.evaluate(() => {
    for (let size = 1 << 22; size >= 1; size >>= 1) {
      try {
        for (let index = 0; ; index += 1) {
          localStorage.setItem(`filler ${size} ${index}`, "x".repeat(size));
        }
      } catch {
        // Less, then.
      }
    }
  });
  await chat.box.fill("a rather long draft ".repeat(30));
  await expect(page.getByText("This browser’s storage is full.")).toBeVisible();
  await chat.talk("goes on");
  expect(await chat.lines()).toContain("BOT Let me think about that.");
});

test("two windows on one chat show the same, and nothing is said twice", async ({ chat, page, context, site }) => {
  const id = await chat.begin();
  const other = chatOn(await context.newPage());
  await other.page.goto(`/#/chat/${id}`);
  await expect(other.log.getByText("Welcome!")).toBeVisible();

  await chat.box.fill("hel");
  await expect(other.box).toHaveValue("hel");
  await chat.say("hello");
  await expect(other.log.getByText("Hello yourself!")).toBeVisible();
  await expect(other.box).toHaveValue("");
  expect(await other.lines()).toEqual(await chat.lines());

  await context.setOffline(true);
  await chat.say("one");
  await other.say("two");
  await expect(chat.log.getByText("two")).toBeVisible();
  await context.setOffline(false);
  await expect.poll(() => site.transcript(id)).toHaveLength(7);
  for (const window of [chat, other]) {
    await expect(window.log.locator("[data-state]")).toHaveCount(0);
    await expect.poll(async () => (await window.lines()).slice().sort()).toEqual((await site.transcript(id)).sort());
  }

  await other.menu("Delete this chat");
  await other.page.getByRole("dialog").getByRole("button", { name: "Delete", exact: true }).click();
  await expect(page.getByRole("alert")).toContainText("This chat is no longer there");
});

test("a fault of the page itself is said, with ways back", async ({ page, site }) => {
  await page.addInitScript(() => {
    if (location.hash.includes("chat")) {
      Intl.DateTimeFormat.prototype.format = () => {
        throw new Error("broken on purpose");
      };
      Object.defineProperty(Intl.DateTimeFormat.prototype, "format", {
        get: () => () => {
          throw new Error("broken on purpose");
        },
      });
    }
  });
  const id = await site.newChat();
  await page.goto(`/#/chat/${id}`);
  await expect(page.getByRole("alert")).toContainText("This page has stumbled");
  await expect(page.getByRole("button", { name: "Reload" })).toBeVisible();
  await page.getByRole("button", { name: "To the start page" }).click();
  await expect(page.getByRole("button", { name: "Begin chat" })).toBeVisible();
});

test("the policy forbids what isn't the page's own", async ({ page }) => {
  const response = await page.goto("/");
  const policy = response?.headers()["content-security-policy"] ?? "";
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("script-src 'self'");
  expect(policy).not.toContain("unsafe");
  await page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "window.ran = true";
    document.body.append(script);
  });
  expect(await page.evaluate(() => "ran" in window)).toBe(false);
});

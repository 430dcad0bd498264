import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { render, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, describe, expect, test, vi } from "vitest";

import type { Message } from "./api/client";
import { App } from "./App";

/** A chat server of values: it keeps transcripts, and fails where it is told to. */
class Server {
  chats = new Map<string, Message[]>();
  posts: string[] = [];
  /** Consulted before and after a message is stored. */
  trouble: (when: "before" | "after") => Response | undefined = () => undefined;

  readonly fetch = (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    try {
      return Promise.resolve(this.answer(String(input as string), init));
    } catch (error) {
      return Promise.reject(error as Error);
    }
  };

  private answer(path: string, init?: RequestInit): Response {
    if (path === "/start_chat") {
      const failure = this.trouble("before");
      if (failure) return failure;
      const id = `chat-${this.chats.size + 1}`;
      this.chats.set(id, []);
      this.say(id, "BOT", "Welcome!");
      return Response.json({ chat_id: id, reply: "Welcome!" });
    }
    if (path === "/message") {
      const { chat_id: id, text } = JSON.parse(String(init?.body as string)) as { chat_id: string; text: string };
      this.posts.push(text);
      const before = this.trouble("before");
      if (before) return before;
      this.say(id, "USER", text);
      this.say(id, "BOT", `You said ${text}`);
      return this.trouble("after") ?? Response.json({ reply: `You said ${text}` });
    }
    const messages = this.chats.get(path.replace("/transcript/", ""));
    return messages ? Response.json({ messages }) : Response.json({ detail: "unknown chat" }, { status: 404 });
  }

  private say(id: string, sender: "USER" | "BOT", text: string) {
    const messages = this.chats.get(id) ?? [];
    messages.push({ id: messages.length + 1, time: "2026-01-02 03:04:05", sender, text });
  }
}

let server: Server;
const unavailable = () => Response.json({ detail: "The database is away." }, { status: 503 });

beforeEach(() => {
  server = new Server();
  vi.stubGlobal("fetch", server.fetch);
});

function open() {
  const client = new QueryClient({
    defaultOptions: { queries: { retry: false }, mutations: { networkMode: "always" } },
  });
  const view = render(
    <QueryClientProvider client={client}>
      <App />
    </QueryClientProvider>,
  );
  return { user: userEvent.setup(), close: view.unmount };
}

async function begin() {
  const page = open();
  await page.user.click(screen.getByRole("button", { name: "Begin chat" }));
  await screen.findByText("Welcome!");
  return page;
}

const bubbles = () =>
  Array.from(document.querySelectorAll("[data-sender]"), (element) => element.querySelector(".bubble")?.textContent);

describe("a conversation", () => {
  test("begins, goes on and survives a reload", async () => {
    const { user, close } = await begin();
    await user.type(screen.getByRole("textbox", { name: "Message" }), "hello{Enter}");
    await screen.findByText("You said hello");
    expect(bubbles()).toEqual(["Welcome!", "hello", "You said hello"]);
    close();

    open();
    await screen.findByText("You said hello");
    expect(bubbles()).toEqual(["Welcome!", "hello", "You said hello"]);
  });

  test("Shift+Enter breaks the line, Send sends", async () => {
    const { user } = await begin();
    await user.type(screen.getByRole("textbox", { name: "Message" }), "one{Shift>}{Enter}{/Shift}two");
    await user.click(screen.getByRole("button", { name: "Send" }));
    await waitFor(() => {
      expect(server.posts).toEqual(["one\ntwo"]);
    });
    expect(screen.getByRole("textbox", { name: "Message" })).toHaveProperty("value", "");
  });

  test("nothing but space can't be sent", async () => {
    const { user } = await begin();
    await user.type(screen.getByRole("textbox", { name: "Message" }), "   {Enter}");
    expect(screen.getByRole("button", { name: "Send" })).toHaveProperty("disabled", true);
    expect(server.posts).toEqual([]);
  });

  test("New chat leaves it for another", async () => {
    const { user } = await begin();
    await user.click(screen.getByRole("button", { name: "New chat" }));
    await user.click(screen.getByRole("button", { name: "Begin chat" }));
    await screen.findByText("Welcome!");
    expect(localStorage.getItem("sillychat.chat")).toBe("chat-2");
  });
});

describe("trouble", () => {
  test("a message that failed stays, says why, and can be sent again", async () => {
    const { user } = await begin();
    server.trouble = unavailable;
    await user.type(screen.getByRole("textbox", { name: "Message" }), "hello{Enter}");
    await screen.findByText(/The database is away/);
    expect(bubbles()).toEqual(["Welcome!", "hello"]);

    server.trouble = () => undefined;
    await user.click(screen.getByRole("button", { name: "Retry" }));
    await screen.findByText("You said hello");
    expect(bubbles()).toEqual(["Welcome!", "hello", "You said hello"]);
  });

  test("a message whose answer was lost is not posted twice", async () => {
    const { user } = await begin();
    server.trouble = (when) => {
      if (when === "after") throw new TypeError("connection reset");
      return undefined;
    };
    await user.type(screen.getByRole("textbox", { name: "Message" }), "hello{Enter}");
    await screen.findByText(/could not be reached/);
    server.trouble = () => undefined;
    await user.click(screen.getByRole("button", { name: "Retry" }));
    await screen.findByText("You said hello");
    expect(server.posts).toEqual(["hello"]);
    expect(bubbles()).toEqual(["Welcome!", "hello", "You said hello"]);
  });

  test("a chat that can't begin says why", async () => {
    const { user } = open();
    server.trouble = unavailable;
    await user.click(screen.getByRole("button", { name: "Begin chat" }));
    expect((await screen.findByRole("alert")).textContent).toBe("The database is away.");
  });

  test("a chat that the server doesn't know is explained and replaced only on request", async () => {
    localStorage.setItem("sillychat.chat", "chat-of-yesterday");
    const { user } = open();
    await screen.findByText("This chat is gone.");
    expect(localStorage.getItem("sillychat.chat")).toBe("chat-of-yesterday");
    await user.click(screen.getByRole("button", { name: "Start anew" }));
    await user.click(screen.getByRole("button", { name: "Begin chat" }));
    await screen.findByText("Welcome!");
  });

  test("a proxy's error page is no reason to break", async () => {
    const { user } = open();
    server.trouble = () => new Response("<h1>Bad gateway</h1>", { status: 502 });
    await user.click(screen.getByRole("button", { name: "Begin chat" }));
    expect((await screen.findByRole("alert")).textContent).toContain("502");
  });
});

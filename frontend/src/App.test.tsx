import { QueryClientProvider } from "@tanstack/react-query";
import { act, render, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, describe, expect, test, vi } from "vitest";

import { App } from "./App";
import { createQueryClient } from "./queryClient";
import { ChatServer, failure } from "./testing/chatServer";

let server: ChatServer;
beforeEach(() => {
  server = new ChatServer();
  server.install();
});

function open() {
  const page = render(
    <QueryClientProvider client={createQueryClient(0)}>
      <App />
    </QueryClientProvider>,
  );
  return { user: userEvent.setup(), close: page.unmount };
}

async function begin() {
  const page = open();
  await page.user.click(button("Begin chat"));
  await screen.findByText("Welcome!");
  return page;
}

const button = (name: string) => screen.getByRole("button", { name });
const box = () => screen.getByRole<HTMLTextAreaElement>("textbox", { name: "Message" });
const unavailable = () => failure(503, "the database isn't available");

function bubbles(): string[] {
  const messages = document.querySelectorAll<HTMLElement>("[data-sender]");
  return Array.from(messages, (message) => {
    const text = message.querySelector(".bubble")?.textContent ?? "";
    return `${message.dataset.sender ?? ""} ${text}`;
  });
}

describe("a conversation", () => {
  test("begins with the bot's greeting and the cursor in the text box", async () => {
    await begin();
    expect(bubbles()).toEqual(["BOT Welcome!"]);
    expect(box()).toHaveFocus();
    expect(within(screen.getByRole("log", { name: "Conversation" })).getByText("Welcome!")).toBeVisible();
  });

  test("Enter sends; the message is there at once, the bot is typing, then it answers", async () => {
    const { user } = await begin();
    const release = server.hold();
    await user.type(box(), "hello{Enter}");
    expect(bubbles()).toEqual(["BOT Welcome!", "USER hello"]);
    expect(await screen.findByTestId("typing")).toBeVisible();
    expect(box()).toHaveValue("");
    release();
    await screen.findByText("You said hello");
    expect(bubbles()).toEqual(["BOT Welcome!", "USER hello", "BOT You said hello"]);
    expect(screen.queryByTestId("typing")).toBeNull();
  });

  test("Shift+Enter breaks the line, Send sends", async () => {
    const { user } = await begin();
    await user.type(box(), "one{Shift>}{Enter}{/Shift}two");
    await user.click(button("Send"));
    await waitFor(() => {
      expect(server.posted).toEqual(["one\ntwo"]);
    });
    expect(box()).toHaveFocus();
  });

  test("an Enter that ends the composing of a word doesn't send", async () => {
    const { user } = await begin();
    await user.type(box(), "にほん");
    const compositionEnd = new KeyboardEvent("keydown", {
      key: "Enter",
      keyCode: 229,
      bubbles: true,
      cancelable: true,
    });
    act(() => {
      box().dispatchEvent(compositionEnd);
    });
    expect(box()).toHaveValue("にほん");
    expect(server.posted).toEqual([]);
  });

  test("blank text can't be sent", async () => {
    const { user } = await begin();
    await user.type(box(), "   {Enter}");
    expect(button("Send")).toBeDisabled();
    expect(server.posted).toEqual([]);
  });

  test("a text that is too long is counted, kept and not sent", async () => {
    const { user } = await begin();
    await user.click(box());
    await user.paste("x".repeat(4001));
    expect(screen.getByText("1 character over the limit of 4000")).toBeVisible();
    expect(box()).toBeInvalid();
    await user.keyboard("{Enter}");
    expect(server.posted).toEqual([]);
    await user.keyboard("{Backspace}");
    expect(screen.getByText("0 characters left")).toBeVisible();
    expect(button("Send")).toBeEnabled();
  });

  test("messages that are said quickly arrive one after the other", async () => {
    const { user } = await begin();
    const release = server.hold();
    await user.type(box(), "one{Enter}two{Enter}");
    expect(server.posted).toEqual(["one"]);
    release();
    await screen.findByText("You said two");
    expect(bubbles().slice(1)).toEqual(["USER one", "BOT You said one", "USER two", "BOT You said two"]);
  });

  test("a message read back while its answer is still out is shown once", async () => {
    const { user } = await begin();
    const release = server.hold();
    await user.type(box(), "hello{Enter}");
    release();
    await screen.findByText("You said hello");
    // The window is looked at again, later.
    vi.spyOn(Date, "now").mockReturnValue(Date.now() + 60_000);
    act(() => {
      window.dispatchEvent(new Event("visibilitychange"));
    });
    await waitFor(() => {
      expect(server.requests).toContain("GET /transcript/chat-1");
    });
    await waitFor(() => {
      expect(document.querySelector("time")).toHaveAttribute("datetime", "2026-01-02T03:04:05.678Z");
    });
    expect(bubbles()).toEqual(["BOT Welcome!", "USER hello", "BOT You said hello"]);
  });
});

describe("a reload", () => {
  test("keeps the conversation", async () => {
    const { user, close } = await begin();
    await user.type(box(), "hello{Enter}");
    await screen.findByText("You said hello");
    const before = bubbles();
    close();
    open();
    await screen.findByText("You said hello");
    expect(bubbles()).toEqual(before);
  });

  test("keeps what was typed and not sent", async () => {
    const { user, close } = await begin();
    await user.type(box(), "half a tho");
    close();
    open();
    await screen.findByText("Welcome!");
    expect(box()).toHaveValue("half a tho");
  });

  test("keeps a message that failed, with its Retry", async () => {
    const { user, close } = await begin();
    server.refuse = unavailable;
    await user.type(box(), "hello{Enter}");
    await screen.findByText(/^Not sent/);
    close();
    server.refuse = () => undefined;
    open();
    await screen.findByText("Welcome!");
    expect(bubbles()).toEqual(["BOT Welcome!", "USER hello"]);
    await userEvent.click(button("Retry"));
    await screen.findByText("You said hello");
    expect(server.posted).toEqual(["hello"]);
  });

  test("while a message is under way shows it as the server knows it", async () => {
    const { user, close } = await begin();
    server.hold();
    await user.type(box(), "hello{Enter}");
    close();
    server.held = Promise.resolve();
    open();
    await screen.findByText("You said hello");
    expect(bubbles()).toEqual(["BOT Welcome!", "USER hello", "BOT You said hello"]);
  });

  test("without a server says so, and finds the conversation later", async () => {
    const { close } = await begin();
    close();
    server.refuse = unavailable;
    const { user } = open();
    expect(await screen.findByRole("alert")).toHaveTextContent("Your chat couldn’t be loaded");
    server.refuse = () => undefined;
    await user.click(button("Retry"));
    await screen.findByText("Welcome!");
  });
});

describe("a message that isn't sent", () => {
  test("stays, says why, and can be sent again", async () => {
    const { user } = await begin();
    server.refuse = unavailable;
    await user.type(box(), "hello{Enter}");
    await screen.findByText("Not sent. The server isn’t available right now.");
    expect(bubbles()).toEqual(["BOT Welcome!", "USER hello"]);
    server.refuse = () => undefined;
    await user.click(button("Retry"));
    await screen.findByText("You said hello");
    expect(bubbles()).toEqual(["BOT Welcome!", "USER hello", "BOT You said hello"]);
    expect(screen.queryByRole("button", { name: "Retry" })).toBeNull();
    expect(box()).toHaveFocus();
  });

  test("has the same key when it is sent again, and another text has another one", async () => {
    const { user } = await begin();
    server.refuse = unavailable;
    await user.type(box(), "hello{Enter}");
    await screen.findByText(/^Not sent/);
    server.refuse = () => undefined;
    await user.click(button("Retry"));
    await screen.findByText("You said hello");
    await user.type(box(), "bye{Enter}");
    await screen.findByText("You said bye");
    const [first, again, other] = server.keys;
    expect(first).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(again).toBe(first);
    expect(other).not.toBe(first);
  });

  test("can be taken back into the text box", async () => {
    const { user } = await begin();
    server.refuse = unavailable;
    await user.type(box(), "helo{Enter}");
    await screen.findByText(/^Not sent/);
    await user.click(button("Edit"));
    expect(box()).toHaveValue("helo");
    expect(bubbles()).toEqual(["BOT Welcome!"]);
  });

  test("but was recorded, its answer having been lost, is found in the transcript", async () => {
    const { user } = await begin();
    server.swallow = (path) => (path === "/message" ? "lost" : undefined);
    await user.type(box(), "hello{Enter}");
    await screen.findByText("You said hello");
    expect(bubbles()).toEqual(["BOT Welcome!", "USER hello", "BOT You said hello"]);
    expect(server.posted).toEqual(["hello"]);
  });

  test("but was recorded is not posted again by Retry", async () => {
    const { user } = await begin();
    server.swallow = () => "lost";
    await user.type(box(), "hello{Enter}");
    await screen.findByText("Not sent. The server can’t be reached.");
    await waitFor(() => {
      expect(server.requests.filter((request) => request === "GET /transcript/chat-1")).toHaveLength(3);
    });
    server.swallow = () => undefined;
    await user.click(button("Retry"));
    await screen.findByText("You said hello");
    expect(server.posted).toEqual(["hello"]);
    expect(bubbles()).toEqual(["BOT Welcome!", "USER hello", "BOT You said hello"]);
  });

  test("but was recorded is not posted again by Edit and Send", async () => {
    const { user } = await begin();
    server.swallow = () => "lost";
    await user.type(box(), "hello{Enter}");
    await screen.findByText("Not sent. The server can’t be reached.");
    await waitFor(() => {
      expect(server.requests.filter((request) => request === "GET /transcript/chat-1")).toHaveLength(3);
    });
    await user.click(button("Edit"));
    server.swallow = () => undefined;
    await user.type(box(), "{Enter}");
    await screen.findByText("You said hello");
    expect(server.posted).toEqual(["hello"]);
    expect(bubbles()).toEqual(["BOT Welcome!", "USER hello", "BOT You said hello"]);
  });

  test("and has a twin: both arrive when both are sent again", async () => {
    const { user } = await begin();
    server.refuse = unavailable;
    await user.type(box(), "hello{Enter}");
    await screen.findByText(/^Not sent/);
    await user.type(box(), "hello{Enter}");
    await waitFor(() => {
      expect(screen.getAllByText(/^Not sent/)).toHaveLength(2);
    });
    server.refuse = () => undefined;
    const release = server.hold();
    for (const retry of screen.getAllByRole("button", { name: "Retry" })) {
      await user.click(retry);
    }
    release();
    await waitFor(() => {
      expect(bubbles()).toEqual([
        "BOT Welcome!",
        "USER hello",
        "BOT You said hello",
        "USER hello",
        "BOT You said hello",
      ]);
    });
    expect(server.chats.get("chat-1")).toHaveLength(5);
    expect(button("New chat")).toBeEnabled();
  });

  test("doesn't hold up the next one", async () => {
    const { user } = await begin();
    server.refuse = unavailable;
    await user.type(box(), "one{Enter}");
    await screen.findByText(/^Not sent/);
    server.refuse = () => undefined;
    await user.type(box(), "two{Enter}");
    await screen.findByText("You said two");
    expect(bubbles().slice(1)).toEqual(["USER two", "BOT You said two", "USER one"]);
  });
});

describe("another chat", () => {
  test("is begun with New chat, and takes along what isn't sent", async () => {
    const { user } = await begin();
    await user.type(box(), "draft");
    await user.click(button("New chat"));
    await waitFor(() => {
      expect(localStorage.getItem("sillychat.chat")).toBe("chat-2");
    });
    expect(bubbles()).toEqual(["BOT Welcome!"]);
    expect(box()).toHaveValue("draft");
    expect(box()).toHaveFocus();
  });

  test("isn't begun while a message is under way", async () => {
    const { user } = await begin();
    const release = server.hold();
    await user.type(box(), "hello{Enter}");
    await user.click(button("New chat"));
    release();
    await screen.findByText("You said hello");
    expect(server.chats.size).toBe(1);
  });

  test("keeps what is typed while it begins", async () => {
    const { user } = await begin();
    const release = server.hold();
    await user.click(button("New chat"));
    await user.type(box(), "hello{Enter}");
    release();
    await waitFor(() => {
      expect(server.chats.size).toBe(2);
    });
    expect(server.posted).toEqual([]);
    await waitFor(() => {
      expect(box()).toHaveValue("hello");
    });
  });

  test("that can't begin leaves the old one as it is", async () => {
    const { user } = await begin();
    server.refuse = unavailable;
    await user.click(button("New chat"));
    expect(await screen.findByRole("alert")).toHaveTextContent("A new chat couldn’t begin");
    expect(bubbles()).toEqual(["BOT Welcome!"]);
    expect(localStorage.getItem("sillychat.chat")).toBe("chat-1");
  });

  test("is offered, never forced, when the server doesn't know the old one", async () => {
    localStorage.setItem("sillychat.chat", "chat-of-yesterday");
    const { user } = open();
    expect(await screen.findByRole("alert")).toHaveTextContent("This chat is no longer there");
    expect(localStorage.getItem("sillychat.chat")).toBe("chat-of-yesterday");
    expect(server.chats.size).toBe(0);
    await user.click(button("Begin a new chat"));
    await screen.findByText("Welcome!");
    expect(localStorage.getItem("sillychat.chat")).toBe("chat-1");
  });

  test("takes along what was said to a chat that vanished", async () => {
    const { user } = await begin();
    server.chats.delete("chat-1");
    await user.type(box(), "hello{Enter}");
    await user.click(await screen.findByRole("button", { name: "Begin a new chat" }));
    await screen.findByText("Welcome!");
    expect(box()).toHaveValue("hello");
  });
});

describe("the beginning", () => {
  test("that fails says why and can be tried again", async () => {
    const { user } = open();
    server.refuse = unavailable;
    await user.click(button("Begin chat"));
    expect(await screen.findByRole("alert")).toHaveTextContent("The server isn’t available right now.");
    expect(button("Retry")).toHaveFocus();
    server.refuse = () => undefined;
    await user.click(button("Retry"));
    await screen.findByText("Welcome!");
  });

  test("pressed twice begins one chat", async () => {
    const { user } = open();
    const release = server.hold();
    await user.dblClick(button("Begin chat"));
    release();
    await screen.findByText("Welcome!");
    expect(server.chats.size).toBe(1);
  });
});

test("being offline is said as long as it lasts", async () => {
  await begin();
  const network = vi.spyOn(navigator, "onLine", "get");
  network.mockReturnValue(false);
  act(() => {
    window.dispatchEvent(new Event("offline"));
  });
  expect(screen.getByText(/You’re offline/)).toBeVisible();
  network.mockReturnValue(true);
  act(() => {
    window.dispatchEvent(new Event("online"));
  });
  expect(screen.queryByText(/You’re offline/)).toBeNull();
});

/**
 * A chat server of values, in place of fetch: it keeps transcripts as the real one does, and fails where it is told to.
 */

import { vi } from "vitest";

type Row = { id: number; time: string; timestamp: string; sender: "USER" | "BOT"; text: string };

/** What becomes of a request: an answer instead of the server's own, or a lost connection. */
export type Trouble = Response | "lost";

export class ChatServer {
  readonly chats = new Map<string, Row[]>();
  /** Every text that was posted, recorded or not. */
  readonly posted: string[] = [];
  /** The idempotency key of every message that was sent, refused or not. */
  readonly keys: (string | null)[] = [];
  /** Requests to a path, in order. */
  readonly requests: string[] = [];
  /** Before anything is recorded. */
  refuse: (path: string) => Trouble | undefined = () => undefined;
  /** After it was recorded: the answer doesn't arrive. */
  swallow: (path: string) => Trouble | undefined = () => undefined;
  /** What every answer waits for. */
  held: Promise<void> = Promise.resolve();

  install(): void {
    vi.stubGlobal("fetch", this.#fetch);
  }

  /** Holds all answers back until the returned function is called. */
  hold(): () => void {
    let release: (() => void) | undefined;
    this.held = new Promise((resolve) => {
      release = resolve;
    });
    return () => {
      this.held = Promise.resolve();
      release?.();
    };
  }

  say(chatId: string, sender: Row["sender"], text: string): void {
    const rows = this.chats.get(chatId) ?? [];
    const [time, timestamp] = ["2026-01-02 03:04:05", "2026-01-02T03:04:05.678000Z"];
    rows.push({ id: 100 + rows.length, time, timestamp, sender, text });
    this.chats.set(chatId, rows);
  }

  readonly #fetch = async (path: string, init: RequestInit = {}): Promise<Response> => {
    this.requests.push(`${init.method ?? "GET"} ${path}`);
    if (path === "/message") {
      this.keys.push(new Headers(init.headers).get("Idempotency-Key"));
    }
    const { held } = this;
    const answer = this.refuse(path) ?? this.#answer(path, init);
    await held;
    const outcome = this.swallow(path) ?? answer;
    if (outcome === "lost") {
      throw new TypeError("Failed to fetch");
    }
    return outcome;
  };

  #answer(path: string, { body }: RequestInit): Response {
    switch (path) {
      case "/start_chat":
        return this.#start();
      case "/message":
        return this.#message(JSON.parse(body as string) as { chat_id: string; text: string });
      default: {
        const messages = this.chats.get(path.replace("/transcript/", ""));
        return messages === undefined ? unknownChat() : Response.json({ messages });
      }
    }
  }

  #start(): Response {
    const chatId = `chat-${this.chats.size + 1}`;
    this.say(chatId, "BOT", "Welcome!");
    return Response.json({ chat_id: chatId, reply: "Welcome!" });
  }

  #message({ chat_id: chatId, text }: { chat_id: string; text: string }): Response {
    this.posted.push(text);
    if (!this.chats.has(chatId)) {
      return unknownChat();
    }
    const reply = `You said ${text}`;
    this.say(chatId, "USER", text);
    this.say(chatId, "BOT", reply);
    return Response.json({ reply });
  }
}

export function failure(status: number, detail: string): Response {
  return Response.json({ detail }, { status });
}

function unknownChat(): Response {
  return failure(404, "there is no such chat");
}

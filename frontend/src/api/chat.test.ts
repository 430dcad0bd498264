import { describe, expect, test, vi } from "vitest";

import { fetchTranscript, sendMessage, startChat } from "./chat";
import { explain, isRefusal, isUnknownChat } from "./errors";

function answerWith(answer: () => Response | Promise<Response>) {
  const fetch = vi.fn<(path: string, init: RequestInit) => Promise<Response>>(() => Promise.resolve().then(answer));
  vi.stubGlobal("fetch", fetch);
  return fetch;
}

const messages = (...rows: object[]) => answerWith(() => Response.json({ messages: rows }));

async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.unreachable("it succeeded"),
    (error: unknown) => error,
  );
}

const KEY = "00000000-0000-4000-8000-000000000000";

describe("requests", () => {
  test("a chat is started", async () => {
    const fetch = answerWith(() => Response.json({ chat_id: "c", reply: "Hi" }));
    expect(await startChat()).toEqual({ chatId: "c", reply: "Hi" });
    expect(fetch.mock.calls[0]).toMatchObject(["/start_chat", { method: "POST" }]);
  });

  test("a message is JSON", async () => {
    const fetch = answerWith(() => Response.json({ reply: "Yes" }));
    expect(await sendMessage("c", 'a\n"b"', KEY)).toBe("Yes");
    const [path, init] = fetch.mock.calls[0] ?? [];
    expect(path).toBe("/message");
    expect(new Headers(init?.headers).get("Content-Type")).toBe("application/json");
    expect(new Headers(init?.headers).get("Idempotency-Key")).toBe(KEY);
    expect(JSON.parse(init?.body as string)).toEqual({ chat_id: "c", text: 'a\n"b"' });
  });

  test("a chat's name can't lead to another path", async () => {
    const fetch = messages();
    await fetchTranscript("../a?b");
    expect(fetch.mock.calls[0]?.[0]).toBe("/transcript/..%2Fa%3Fb");
  });
});

describe("a transcript", () => {
  test("has ids and exact moments", async () => {
    messages({ id: 7, sender: "BOT", text: "Hi", time: "2026-01-02 03:04:05", timestamp: "2026-01-02T03:04:05.678Z" });
    const at = new Date("2026-01-02T03:04:05.678Z");
    expect(await fetchTranscript("c")).toEqual([{ id: 7, sender: "BOT", text: "Hi", at }]);
  });

  test("of an older server has neither: its time is UTC", async () => {
    messages({ sender: "USER", text: "Hi", time: "2026-01-02 03:04:05" });
    const at = new Date("2026-01-02T03:04:05Z");
    expect(await fetchTranscript("c")).toEqual([{ id: null, sender: "USER", text: "Hi", at }]);
  });

  test("may have a moment that can't be read", async () => {
    messages({ sender: "USER", text: "Hi", time: "yesterday" });
    expect(await fetchTranscript("c")).toMatchObject([{ at: null }]);
  });
});

describe("failures", () => {
  const detailed = (status: number) => () => Response.json({ detail: "text: is blank" }, { status });

  test.each([
    ["no network", () => Promise.reject(new TypeError("Failed to fetch")), "The server can’t be reached."],
    [
      "no answer in time",
      () => Promise.reject(new DOMException("late", "TimeoutError")),
      "The server took too long to answer.",
    ],
    ["404", detailed(404), "The server doesn’t know this chat any more."],
    ["422", detailed(422), "The server refused this: text: is blank."],
    ["429", detailed(429), "That was a bit fast. Wait a moment."],
    ["503", detailed(503), "The server isn’t available right now."],
    [
      "502 of a proxy",
      () => new Response("<h1>Bad Gateway</h1>", { status: 502 }),
      "The server isn’t available right now.",
    ],
    ["504", detailed(504), "The server took too long to answer."],
    ["500", detailed(500), "The server gave an answer that makes no sense."],
    ["not JSON", () => new Response("<html>"), "The server gave an answer that makes no sense."],
    ["JSON of another shape", () => Response.json({ answer: 1 }), "The server gave an answer that makes no sense."],
    ["JSON that is no object", () => Response.json("hello"), "The server gave an answer that makes no sense."],
  ])("%s", async (_, answer, explanation) => {
    answerWith(answer);
    expect(explain(await errorOf(sendMessage("c", "hello", KEY)))).toBe(explanation);
  });

  test.each([
    [404, true],
    [422, true],
    [429, true],
    [500, false],
    [503, false],
    [504, false],
  ])("only a refusal (%s) says that nothing was recorded", async (status, refusal) => {
    answerWith(detailed(status));
    expect(isRefusal(await errorOf(sendMessage("c", "hello", KEY)))).toBe(refusal);
  });

  test("a 404 that isn't the chat server's is no word about the chat", async () => {
    answerWith(() => new Response("not found", { status: 404 }));
    const foreign = await errorOf(fetchTranscript("c"));
    answerWith(detailed(404));
    const own = await errorOf(fetchTranscript("c"));
    expect([isUnknownChat(foreign), isUnknownChat(own)]).toEqual([false, true]);
  });
});

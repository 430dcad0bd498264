import { afterEach, describe, expect, test, vi } from "vitest";

import { deleteChat, fetchTranscript, sendMessage, startChat } from "./chat";
import type { ApiError } from "./errors";

const KEY = "0d1f3c5a-9b7e-4f60-8a21-3c4d5e6f7081";

function answer(response: Response | Error) {
  const fetched = vi.fn<typeof fetch>(() =>
    response instanceof Error ? Promise.reject(response) : Promise.resolve(response),
  );
  vi.stubGlobal("fetch", fetched);
  return fetched;
}

afterEach(() => {
  vi.unstubAllGlobals();
});

async function failure(request: Promise<unknown>): Promise<ApiError> {
  return request.then(
    () => Promise.reject(new Error("it succeeded")),
    (error: unknown) => error as ApiError,
  );
}

describe("answers", () => {
  test("start_chat", async () => {
    answer(Response.json({ chat_id: "c", reply: "Hi" }));
    expect(await startChat()).toEqual({ chatId: "c", reply: "Hi" });
  });

  test("message, with its key", async () => {
    const fetched = answer(Response.json({ reply: "Hi" }));
    expect(await sendMessage("c", "hello", KEY)).toBe("Hi");
    const [path, init] = fetched.mock.calls[0] ?? [];
    expect(path).toBe("/message");
    expect(new Headers(init?.headers).get("Idempotency-Key")).toBe(KEY);
    expect(init?.body).toBe('{"chat_id":"c","text":"hello"}');
  });

  test("transcript", async () => {
    const message = { id: 7, sender: "BOT", text: "Hi", time: "", timestamp: "2026-01-02T03:04:05.678000Z" };
    answer(Response.json({ messages: [message] }));
    const at = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
    expect(await fetchTranscript("c")).toEqual([{ id: 7, sender: "BOT", text: "Hi", at }]);
  });

  test("delete, also of what is gone already", async () => {
    answer(new Response(null, { status: 204 }));
    await deleteChat("c");
    answer(Response.json({ detail: "there is no such chat" }, { status: 404 }));
    await deleteChat("c");
    answer(Response.json({ detail: "later" }, { status: 503 }));
    expect((await failure(deleteChat("c"))).failure).toBe("unavailable");
  });
});

test.each([
  ["nothing", new TypeError("Failed to fetch"), "unreachable"],
  ["no answer in time", new DOMException("", "TimeoutError"), "timeout"],
  ["404 of the server", Response.json({ detail: "no such chat" }, { status: 404 }), "unknown-chat"],
  ["404 of somebody else", new Response("<h1>", { status: 404 }), "unexpected"],
  ["408", new Response("", { status: 408 }), "timeout"],
  ["409", Response.json({ detail: "" }, { status: 409 }), "refused"],
  ["422", Response.json({ detail: "too long" }, { status: 422 }), "refused"],
  ["429", Response.json({ detail: "" }, { status: 429 }), "too-many"],
  ["500 in HTML", new Response("<h1>", { status: 500 }), "unavailable"],
  ["502", new Response("", { status: 502 }), "unavailable"],
  ["504", new Response("", { status: 504 }), "timeout"],
  ["broken JSON", new Response('{"reply": "Hel'), "unexpected"],
  ["no object", Response.json(null), "unexpected"],
  ["another shape", Response.json({ reply: 5 }), "unexpected"],
])("%s is a failure of its kind", async (_, response, kind) => {
  answer(response);
  expect((await failure(sendMessage("c", "hello", KEY))).failure).toBe(kind);
});

test.each([
  ["no list", { messages: {} }],
  ["no id", { messages: [{ sender: "BOT", text: "Hi", timestamp: "" }] }],
  ["a stranger", { messages: [{ id: 1, sender: "CAT", text: "Hi", timestamp: "" }] }],
  ["no text", { messages: [{ id: 1, sender: "BOT", timestamp: "" }] }],
])("a transcript with %s isn't taken", async (_, body) => {
  answer(Response.json(body));
  expect((await failure(fetchTranscript("c"))).failure).toBe("unexpected");
});

test.each([
  ["3", 3000],
  ["0", 0],
  ["Wed, 21 Oct 2026 07:28:00 GMT", undefined],
  [undefined, undefined],
])("Retry-After: %s", async (header, expected) => {
  const headers = header === undefined ? {} : { "Retry-After": header };
  answer(Response.json({ detail: "" }, { status: 429, headers }));
  expect((await failure(startChat())).retryAfterMs).toBe(expected);
});

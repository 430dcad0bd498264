import { describe, expect, test, vi } from "vitest";

import { answered, exchange, FAILED, SENDING } from "../testing/samples";
import { recallChat, recallUnsent, rememberChat, rememberUnsent } from "./memory";

const NOTHING = { draft: "", exchanges: [] };

describe("the browser's memory", () => {
  test("has nothing at first", () => {
    expect(recallChat()).toBeNull();
    expect(recallUnsent(null)).toEqual(NOTHING);
  });

  test("keeps the chat, the draft and what failed", () => {
    const failed = exchange("a", "one", FAILED, { after: 3, uncertain: true });
    rememberChat("chat-1");
    rememberUnsent("chat-1", { draft: "dra", exchanges: [failed] });
    expect(recallChat()).toBe("chat-1");
    expect(recallUnsent("chat-1")).toEqual({ draft: "dra", exchanges: [failed] });
  });

  test("what was being sent comes back as failed, and may have arrived", () => {
    rememberUnsent("chat-1", { draft: "", exchanges: [exchange("a", "one", SENDING)] });
    const [back] = recallUnsent("chat-1").exchanges;
    expect(back).toMatchObject({ key: "a", text: "one", uncertain: true, progress: { state: "failed" } });
  });

  test("answered ones are kept only beside others", () => {
    const done = exchange("a", "one", answered("Yes"));
    rememberUnsent("chat-1", { draft: "", exchanges: [done] });
    expect(localStorage).toHaveLength(0);
    const both = [done, exchange("b", "one", FAILED)];
    rememberUnsent("chat-1", { draft: "", exchanges: both });
    expect(recallUnsent("chat-1").exchanges).toEqual(both);
  });

  test("of another chat only the words are taken", () => {
    rememberUnsent("chat-1", { draft: "draft", exchanges: [exchange("a", "one", FAILED)] });
    expect(recallUnsent("chat-2")).toEqual({ draft: "one\ndraft", exchanges: [] });
  });

  test.each([
    "",
    "{",
    "null",
    "[]",
    '{"draft":1,"exchanges":[]}',
    '{"chatId":"c","draft":"","exchanges":[null,{"key":1}]}',
  ])("what can't be read is nothing: %s", (kept) => {
    localStorage.setItem("sillychat.unsent", kept);
    expect(recallUnsent("c")).toEqual(NOTHING);
  });

  test("a moment that is none doesn't come back", () => {
    rememberUnsent("chat-1", { draft: "", exchanges: [exchange("a", "one", FAILED)] });
    const kept = localStorage.getItem("sillychat.unsent") ?? "";
    localStorage.setItem("sillychat.unsent", kept.replace("2026-01-02T", "yesterday"));
    expect(recallUnsent("chat-1")).toEqual(NOTHING);
  });

  test("a browser that forbids storage only forgets", () => {
    const forbid = () => {
      throw new DOMException("denied", "SecurityError");
    };
    vi.spyOn(Storage.prototype, "getItem").mockImplementation(forbid);
    vi.spyOn(Storage.prototype, "setItem").mockImplementation(forbid);
    rememberChat("chat-1");
    rememberUnsent("chat-1", { draft: "x", exchanges: [] });
    expect(recallChat()).toBeNull();
    expect(recallUnsent("chat-1")).toEqual(NOTHING);
  });
});

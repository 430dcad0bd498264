import { describe, expect, test } from "vitest";

import type { Message } from "../api/client";
import { characters, hasArrived, lines, refusal, type Pending } from "./conversation";

const message = (id: number, sender: "USER" | "BOT", text: string): Message => ({
  id,
  sender,
  text,
  time: "2026-01-02 03:04:05",
});
const pending = (text: string, after: number): Pending => ({
  key: "k",
  text,
  after,
  at: "2026-01-02T03:05:00Z",
  state: "sending",
});

describe("refusal", () => {
  test.each([
    ["hello", undefined],
    ["  \n ", "empty"],
    ["x".repeat(4000), undefined],
    ["x".repeat(4001), "too-long"],
    [` ${"x".repeat(4000)} `, undefined],
    ["😀".repeat(4000), undefined],
  ])("%j", (text, expected) => {
    expect(refusal(text)).toBe(expected);
  });

  test("an emoji counts once", () => {
    expect(characters("😀a")).toBe(2);
  });
});

describe("lines", () => {
  const transcript = [message(1, "BOT", "Hi"), message(2, "USER", "hello"), message(3, "BOT", "Hello you")];

  test("what is on its way comes last", () => {
    const shown = lines(transcript, [pending("more", 3)]);
    expect(shown.map(({ text, state }) => `${text} ${state}`)).toEqual([
      "Hi sent",
      "hello sent",
      "Hello you sent",
      "more sending",
    ]);
  });

  test("what the transcript has by now is not shown twice", () => {
    expect(lines(transcript, [pending("hello", 1)])).toHaveLength(3);
  });

  test("the same words said again are another message", () => {
    expect(lines(transcript, [pending("hello", 3)])).toHaveLength(4);
  });

  test("time comes from the timestamp, else from the seconds in UTC", () => {
    const exact = { ...message(4, "BOT", "x"), timestamp: "2026-01-02T03:04:05.678Z" };
    expect(lines([exact, message(5, "BOT", "y")], []).map(({ at }) => at)).toEqual([
      "2026-01-02T03:04:05.678Z",
      "2026-01-02T03:04:05Z",
    ]);
  });

  test("keys are the server's ids", () => {
    expect(lines(transcript, []).map(({ key }) => key)).toEqual(["m1", "m2", "m3"]);
  });
});

test("only what came after Send was pressed counts as arrived", () => {
  const transcript = [message(1, "USER", "hello"), message(2, "BOT", "hello")];
  expect(hasArrived(transcript, pending("hello", 0))).toBe(true);
  expect(hasArrived(transcript, pending("hello", 1))).toBe(false);
});

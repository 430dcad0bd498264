import { describe, expect, test } from "vitest";

import type { RecordedMessage, Sender } from "../api/chat";
import type { Exchange, Progress } from "./exchange";
import { TURN } from "./exchange";
import { named, timeline } from "./timeline";

const NONE: ReadonlyMap<number, string> = new Map();

/** "BOT Hi", "USER hello", ... with ids from 1. */
function transcript(...lines: string[]): RecordedMessage[] {
  return lines.map((line, index) => {
    const [sender = "", text = ""] = line.split(/ (.*)/);
    return { id: index + 1, sender: sender as Sender, text, at: index };
  });
}

function exchange(key: string, text: string, progress: Progress, afterId = 0): Exchange {
  return { key, text, saidAt: 0, afterId, progress };
}

const answered = (reply: string): Progress => ({ state: "answered", reply, at: 0, duringRead: 0 });
const failed: Progress = { state: "failed", why: "unreachable" };
const sending: Progress = { state: "sending" };

const shown = (...of: Parameters<typeof timeline>) => timeline(...of).map(({ key, text }) => `${key}: ${text}`);

describe("what is shown", () => {
  test("is the transcript, then what isn't in it", () => {
    const recorded = transcript("BOT Welcome!", "USER hello", "BOT Hi");
    expect(shown(recorded, [exchange("k", "bye", sending)], NONE)).toEqual([
      "message-1: Welcome!",
      "message-2: hello",
      "message-3: Hi",
      "k: bye",
    ]);
  });

  test("has a message once that is recorded while its answer is out, under its name", () => {
    const recorded = transcript("BOT Welcome!", "USER hello", "BOT Hi");
    expect(shown(recorded, [exchange("k", "hello", sending)], NONE)).toEqual([
      "message-1: Welcome!",
      "k: hello",
      "k-reply: Hi",
    ]);
  });

  test("takes no older message of the same text for it", () => {
    const recorded = transcript("BOT Welcome!", "USER hello", "BOT Hi");
    expect(shown(recorded, [exchange("k", "hello", sending, 3)], NONE).at(-1)).toBe("k: hello");
  });

  test("of equal texts, gives the first to the one with an answer", () => {
    const recorded = transcript("BOT Welcome!", "USER hello", "BOT Hi");
    const exchanges = [exchange("a", "hello", failed), exchange("b", "hello", answered("Hi"))];
    expect(shown(recorded, exchanges, NONE)).toEqual(["message-1: Welcome!", "b: hello", "b-reply: Hi", "a: hello"]);
  });

  test("has what failed at the end", () => {
    const exchanges = [exchange("a", "one", failed), exchange("b", "two", TURN)];
    expect(shown([], exchanges, NONE)).toEqual(["b: two", "a: one"]);
  });
});

test("names stay after the exchanges are forgotten", () => {
  const recorded = transcript("BOT Welcome!", "USER hello", "BOT Hi");
  const names = named(recorded, [exchange("k", "hello", answered("Hi"))], NONE);
  expect(shown(recorded, [], names)).toEqual(["message-1: Welcome!", "k: hello", "k-reply: Hi"]);
});

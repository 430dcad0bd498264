import { describe, expect, test } from "vitest";

import { firstWords, judge } from "./text";

describe("judge", () => {
  test.each(["", "  \n\t", "\u3000\u00a0", "\u0085", "\0"])("%j is blank", (draft) => {
    expect(judge(draft)).toEqual({ state: "blank" });
  });

  test("trims as the server does, and leaves out what it has no place for", () => {
    expect(judge(" \u0085a\0 b\n")).toEqual({ state: "sendable", text: "a b" });
  });

  test("counts characters, not code units", () => {
    expect(judge("😀".repeat(4000))).toEqual({ state: "sendable", text: "😀".repeat(4000), left: 0 });
    expect(judge("😀".repeat(4001))).toEqual({ state: "too-long", over: 1 });
  });

  test("gives half a character to nobody", () => {
    expect(judge("a\ud83d b\ude00")).toEqual({ state: "sendable", text: "a\ufffd b\ufffd" });
  });

  test("is quick with whatever is pasted", () => {
    expect(judge(`a${" ".repeat(500_000)}b`)).toEqual({ state: "too-long", over: 496_002 });
  });

  test("tells how many are left when it becomes interesting", () => {
    expect(judge("x".repeat(3599))).not.toHaveProperty("left");
    expect(judge("x".repeat(3600))).toHaveProperty("left", 400);
  });
});

test("first words are one line, and cut between characters", () => {
  expect(firstWords(" one\n two ")).toBe("one two");
  expect(firstWords("😀".repeat(100), 5)).toBe("😀😀😀😀…");
  expect(firstWords("exactly", 7)).toBe("exactly");
});

import { describe, expect, test } from "vitest";

import { judge, MAX_CHARACTERS } from "./text";

describe("judge", () => {
  test.each(["", "  \n\t ", "\0"])("%j is blank", (draft) => {
    expect(judge(draft)).toEqual({ state: "blank" });
  });

  test("what is sent is trimmed, but keeps its inner lines", () => {
    expect(judge(" one\ntwo\n")).toEqual({ state: "sendable", text: "one\ntwo" });
    // The server trims this one too: a text that is kept otherwise is not found in its transcript.
    expect(judge("\u0085one\u0085")).toEqual({ state: "sendable", text: "one" });
  });

  test("the limit is in characters, of the trimmed text", () => {
    const longest = "😀".repeat(MAX_CHARACTERS);
    expect(judge(` ${longest} `)).toEqual({ state: "sendable", text: longest, left: 0 });
    expect(judge(`${longest}😀😀`)).toEqual({ state: "too-long", over: 2 });
  });

  test("a person sees the count only when it begins to matter", () => {
    expect(judge("x".repeat(3599))).not.toHaveProperty("left");
    expect(judge("x".repeat(3600))).toHaveProperty("left", 400);
  });
});

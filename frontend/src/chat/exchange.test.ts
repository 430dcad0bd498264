import { describe, expect, test } from "vitest";

import { answered, AT, exchange, FAILED, SENDING } from "../testing/samples";
import { step, takeBack } from "./exchange";

describe("step", () => {
  const two = [exchange("a", "one", SENDING), exchange("b", "two", SENDING)];

  test("what is said comes last", () => {
    const said = exchange("c", "three", SENDING);
    expect(step(two, { type: "said", exchange: said })).toEqual([...two, said]);
  });

  test("an answer belongs to its message", () => {
    const after = step(two, { type: "answered", key: "a", reply: "Yes", at: AT });
    expect(after.map(({ progress }) => progress)).toEqual([answered("Yes"), SENDING]);
  });

  test("once uncertain, always uncertain", () => {
    const lost = step(two, { type: "failed", key: "a", reason: "lost", uncertain: true });
    const refused = step(lost, { type: "failed", key: "a", reason: "refused", uncertain: false });
    expect(refused[0]).toMatchObject({ uncertain: true, progress: { state: "failed", reason: "refused" } });
    expect(refused[1]).toEqual(two[1]);
  });

  test("what is said again comes last", () => {
    const failed = step(two, { type: "failed", key: "a", reason: "lost", uncertain: true });
    const again = step(failed, { type: "retried", key: "a" });
    expect(again.map(({ key, progress }) => [key, progress.state])).toEqual([
      ["b", "sending"],
      ["a", "sending"],
    ]);
  });

  test("withdrawn is gone, left leaves nothing", () => {
    expect(step(two, { type: "withdrawn", key: "a" })).toEqual([two[1]]);
    expect(step(two, { type: "left" })).toEqual([]);
  });
});

describe("takeBack", () => {
  test("takes what has no answer, before the draft", () => {
    const exchanges = [
      exchange("a", "one", FAILED),
      exchange("b", "two", answered("Yes")),
      exchange("c", "3", SENDING),
    ];
    expect(takeBack(exchanges, "draft")).toBe("one\n3\ndraft");
  });

  test("makes no empty line of an empty draft", () => {
    expect(takeBack([exchange("a", "one", FAILED)], " ")).toBe("one");
    expect(takeBack([], "")).toBe("");
  });
});

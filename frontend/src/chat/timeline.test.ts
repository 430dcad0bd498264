import { describe, expect, test } from "vitest";

import type { RecordedMessage } from "../api/types";
import { answered, exchange, FAILED, SENDING, transcript } from "../testing/samples";
import type { Exchange } from "./exchange";
import { countRecorded, notRecorded, timeline } from "./timeline";

function shown(recorded: readonly RecordedMessage[], exchanges: readonly Exchange[]): string[] {
  return timeline(recorded, exchanges).map(({ sender, text, delivery }) => `${sender} ${text} (${delivery.state})`);
}

describe("timeline", () => {
  const recorded = transcript("BOT Hi", "USER hello", "BOT Hello you");

  test("is the transcript, then what is under way, then what failed", () => {
    const exchanges = [
      exchange("a", "failed", FAILED, { after: 3 }),
      exchange("b", "answered", answered("Yes"), { after: 3 }),
      exchange("c", "sending", SENDING, { after: 3 }),
    ];
    expect(shown(recorded, exchanges)).toEqual([
      "BOT Hi (done)",
      "USER hello (done)",
      "BOT Hello you (done)",
      "USER answered (done)",
      "BOT Yes (done)",
      "USER sending (sending)",
      "USER failed (failed)",
    ]);
  });

  test.each([
    ["answered", exchange("a", "hello", answered("Hello you"), { after: 1 })],
    ["still waiting for its answer", exchange("a", "hello", SENDING, { after: 1 })],
    ["failed after it was recorded", exchange("a", "hello", FAILED, { after: 1, uncertain: true })],
  ])("a recorded message is shown once: %s", (_, said) => {
    expect(shown(recorded, [said])).toHaveLength(3);
    expect(notRecorded(recorded, [said])).toEqual([]);
  });

  test("a refused message is not taken for an equal one", () => {
    expect(shown(recorded, [exchange("a", "hello", FAILED, { after: 1 })])).toContain("USER hello (failed)");
  });

  test("a message isn't taken for one from before it was said", () => {
    expect(shown(recorded, [exchange("a", "hello", SENDING, { after: 3 })])).toContain("USER hello (sending)");
  });

  test("of two equal texts, the answered one is the recorded one", () => {
    const lost = exchange("lost", "hello", FAILED, { after: 1, uncertain: true });
    const arrived = exchange("arrived", "hello", answered("Hello you"), { after: 1 });
    expect(notRecorded(recorded, [lost, arrived])).toEqual([lost]);
  });

  test("two equal texts are two messages", () => {
    const twice = transcript("BOT Hi", "USER hello", "BOT A", "USER hello", "BOT B");
    const first = exchange("a", "hello", answered("A"), { after: 1 });
    const second = exchange("b", "hello", answered("B"), { after: 3 });
    expect(shown(twice, [first, second])).toHaveLength(5);
  });

  test("a message keeps its key from the key press to the transcript", () => {
    const said = (progress: Exchange["progress"]) => exchange("a", "hello", progress, { after: 1 });
    const greeting = recorded.slice(0, 1);
    const keys = (messages: readonly RecordedMessage[], progress: Exchange["progress"]) =>
      timeline(messages, [said(progress)]).map(({ key }) => key);
    const sent = keys(greeting, SENDING);
    const replied = keys(greeting, answered("Hello you"));
    expect(replied.slice(0, 2)).toEqual(sent);
    expect(keys(recorded, answered("Hello you"))).toEqual(replied);
  });

  test("others' keys are the server's ids, or the place without one", () => {
    const unnumbered = recorded.map((message) => ({ ...message, id: null }));
    expect(timeline(recorded, []).map(({ key }) => key)).toEqual(["place-0", "message-2", "message-3"]);
    expect(timeline(unnumbered, []).map(({ key }) => key)).toEqual(["place-0", "place-1", "place-2"]);
  });

  test("counts as recorded what has an answer, read back or not", () => {
    const exchanges = [
      exchange("a", "more", answered("Yes"), { after: 3 }),
      exchange("b", "sending", SENDING, { after: 3 }),
      exchange("c", "failed", FAILED, { after: 3 }),
    ];
    expect(countRecorded(timeline(recorded, exchanges))).toBe(5);
  });
});

import { expect, test } from "vitest";

import { en } from "../language/en";
import { TURN } from "./exchange";
import { transcriptName, transcriptText } from "./transcript";

const AT = new Date(2026, 2, 1, 12, 30, 5).getTime();

test("has what is recorded, and when", () => {
  const items = [
    { key: "1", id: 1, sender: "BOT" as const, text: "Welcome!\nSit down.", at: AT },
    { key: "2", id: 2, sender: "USER" as const, text: "hello", at: null },
    {
      key: "3",
      id: null,
      sender: "USER" as const,
      text: "not yet",
      at: AT,
      exchange: { key: "3", text: "not yet", saidAt: AT, afterId: 0, progress: TURN },
    },
  ];
  const text = transcriptText(items, AT, "de", en);
  expect(text).toBe(
    "Silly chat, Sonntag, 1. März 2026 um 12:30:05\n\n01.03.26, 12:30:05 Bot:\nWelcome!\nSit down.\n\nYou:\nhello\n",
  );
  expect(transcriptName(AT)).toBe("silly-chat-2026-03-01.txt");
});

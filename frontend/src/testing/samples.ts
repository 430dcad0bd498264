/** Exchanges and recorded messages for tests, with what the test doesn't care for filled in. */

import type { RecordedMessage, Sender } from "../api/types";
import type { Exchange, Progress } from "../chat/exchange";

export const AT = new Date("2026-01-02T03:04:05.678Z");

export const SENDING: Progress = { state: "sending" };
export const FAILED: Progress = { state: "failed", reason: "It failed." };
export const answered = (reply: string): Progress => ({ state: "answered", reply, at: AT });

export function exchange(key: string, text: string, progress: Progress, rest: Partial<Exchange> = {}): Exchange {
  return { key, text, saidAt: AT, after: 0, uncertain: false, progress, ...rest };
}

/** "BOT Hi", "USER hello", ... with ids from 1. */
export function transcript(...lines: string[]): RecordedMessage[] {
  return lines.map((line, index) => {
    const [sender = "", text = ""] = line.split(/ (.*)/);
    return { id: index + 1, sender: sender as Sender, text, at: AT };
  });
}

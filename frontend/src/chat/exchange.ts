/**
 * What a person said in this browser, from the key press to the bot's reply: the states of one exchange and the steps
 * between them. Pure.
 */

import type { Failure } from "../api/errors";

export type Exchange = {
  /** The idempotency key: however often it is sent, the server records it once. */
  readonly key: string;
  readonly text: string;
  /** In milliseconds, as all times here. */
  readonly saidAt: number;
  /** The highest message that was known then: this one is recorded after it. */
  readonly afterId: number;
  readonly progress: Progress;
};

export type Progress =
  /** Its turn comes: at once, when there is a network, or at a time. */
  | { readonly state: "waiting"; readonly why: "turn" | "offline" }
  | { readonly state: "waiting"; readonly why: Failure; readonly until: number }
  | { readonly state: "sending" }
  /** Another window sends it. */
  | { readonly state: "elsewhere" }
  | { readonly state: "failed"; readonly why: Failure; readonly detail?: string | undefined }
  /** `duringRead`: the last reading of the transcript that had begun by then. Later ones have it. */
  | { readonly state: "answered"; readonly reply: string; readonly at: number; readonly duringRead: number };

export const TURN: Progress = { state: "waiting", why: "turn" };

export function put(exchanges: readonly Exchange[], exchange: Exchange): Exchange[] {
  return exchanges.some(({ key }) => key === exchange.key)
    ? exchanges.map((other) => (other.key === exchange.key ? exchange : other))
    : [...exchanges, exchange];
}

export function without(exchanges: readonly Exchange[], gone: string): Exchange[] {
  return exchanges.filter(({ key }) => key !== gone);
}

/** What is said again is said after all others, on the page as in the transcript. */
export function sayAgain(exchanges: readonly Exchange[], exchange: Exchange): Exchange[] {
  return [...without(exchanges, exchange.key), { ...exchange, progress: TURN }];
}

/** The text box's content with those texts before it that would be lost otherwise. */
export function takeBack(exchanges: readonly Exchange[], draft: string): string {
  const unanswered = exchanges.filter(({ progress }) => progress.state !== "answered");
  const texts = [...unanswered.map(({ text }) => text), draft];
  return texts.filter((text) => text.trim() !== "").join("\n");
}

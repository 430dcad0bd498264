// The rules of a conversation, without React: what is shown, from the transcript and from what is on its way.

import { MAX_TEXT_LENGTH, type Message, type Sender } from "../api/client";

/** A text of the person's that the transcript doesn't have yet. */
export interface Pending {
  key: string;
  text: string;
  /** When Send was pressed, RFC 3339. */
  at: string;
  /** How many messages the transcript had then. */
  after: number;
  state: "sending" | "failed";
  error?: string;
}

/** One bubble. */
export interface Line {
  key: string;
  sender: Sender;
  text: string;
  /** RFC 3339. */
  at: string;
  state: "sent" | "sending" | "failed";
  error?: string;
}

export type Refusal = "empty" | "too-long";

/** Why a text can't be sent; undefined if it can. Counts characters as the server does: code points, trimmed. */
export function refusal(text: string): Refusal | undefined {
  const trimmed = text.trim();
  if (trimmed === "") return "empty";
  return characters(trimmed) > MAX_TEXT_LENGTH ? "too-long" : undefined;
}

/** Number of code points. */
export function characters(text: string): number {
  return Array.from(text).length;
}

/**
 * Whether the transcript has the text after all: an answer may get lost after the server has stored the message, and a retry
 * would say it twice.
 */
export function hasArrived(transcript: readonly Message[], pending: Pending): boolean {
  return transcript.slice(pending.after).some((message) => message.sender === "USER" && message.text === pending.text);
}

/** All bubbles in order: what the server knows, then what is on its way. */
export function lines(transcript: readonly Message[], pending: readonly Pending[]): Line[] {
  const sent = transcript.map((message, index): Line => ({
    key: `m${message.id ?? index}`,
    sender: message.sender,
    text: message.text,
    at: message.timestamp ?? `${message.time.replace(" ", "T")}Z`,
    state: "sent",
  }));
  const underWay = pending
    .filter((one) => !hasArrived(transcript, one))
    .map(({ key, text, at, state, error }): Line => ({
      key,
      sender: "USER",
      text,
      at,
      state,
      ...(error === undefined ? {} : { error }),
    }));
  return [...sent, ...underWay];
}

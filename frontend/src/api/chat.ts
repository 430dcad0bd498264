/**
 * The endpoints of the chat server. Each answer is checked here, so that nothing else in the page meets a shape that it
 * doesn't expect.
 */

import { ApiError } from "./errors";
import { request } from "./request";
import type { components } from "./schema";

type Schemas = components["schemas"];
type Path = keyof import("./schema").paths;

export type Sender = Schemas["Message"]["sender"];

export type StartedChat = { readonly chatId: string; readonly reply: string };

/** One message as the server has recorded it. */
export type RecordedMessage = {
  /** Higher for later ones; `null` as long as this page hasn't been told. */
  readonly id: number | null;
  readonly sender: Sender;
  readonly text: string;
  /** In milliseconds; `null` when the server's time can't be read. */
  readonly at: number | null;
};

export async function startChat(): Promise<StartedChat> {
  const { chat_id: chatId, reply } = fields<Schemas["Started"]>(
    await request("/start_chat" satisfies Path, { method: "POST" }),
  );
  return { chatId: string(chatId, "chat_id"), reply: string(reply, "reply") };
}

/** Says something and gives the bot's reply. Under one key, a UUID, it is recorded once, however often it is sent. */
export async function sendMessage(chatId: string, text: string, key: string): Promise<string> {
  const said: Schemas["Said"] = { chat_id: chatId, text };
  const answer = await request("/message" satisfies Path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "Idempotency-Key": key },
    body: JSON.stringify(said),
  });
  return string(fields<Schemas["Answered"]>(answer).reply, "reply");
}

/** All messages of a chat, in order. */
export async function fetchTranscript(chatId: string): Promise<RecordedMessage[]> {
  const { messages } = fields<Schemas["Transcript"]>(await request(transcriptOf(chatId)));
  if (!Array.isArray(messages)) {
    throw unexpected("messages: not a list");
  }
  return messages.map(recordedMessage);
}

/** The chat and all its messages are gone afterwards; also if they were before. */
export async function deleteChat(chatId: string): Promise<void> {
  try {
    await request(transcriptOf(chatId), { method: "DELETE" });
  } catch (error) {
    if (!(error instanceof ApiError && error.failure === "unknown-chat")) {
      throw error;
    }
  }
}

function transcriptOf(chatId: string): string {
  return ("/transcript/{chat_id}" satisfies Path).replace("{chat_id}", encodeURIComponent(chatId));
}

function recordedMessage(value: unknown): RecordedMessage {
  const { id, sender, text, timestamp } = fields<Schemas["Message"]>(value);
  if (typeof id !== "number") {
    throw unexpected("id: not a number");
  }
  if (sender !== "USER" && sender !== "BOT") {
    throw unexpected("sender: neither USER nor BOT");
  }
  const at = typeof timestamp === "string" ? Date.parse(timestamp) : Number.NaN;
  return { id, sender, text: string(text, "text"), at: Number.isNaN(at) ? null : at };
}

/** What the answer may have, none of it certain. */
type Unchecked<T> = Readonly<Partial<Record<keyof T, unknown>>>;

function fields<T extends object>(value: unknown): Unchecked<T> {
  if (typeof value === "object" && value !== null) {
    return value as Unchecked<T>;
  }
  throw unexpected("the answer isn't an object");
}

function string(value: unknown, name: string): string {
  if (typeof value === "string") {
    return value;
  }
  throw unexpected(`${name}: not a text`);
}

function unexpected(detail: string): ApiError {
  return new ApiError("unexpected", { detail });
}

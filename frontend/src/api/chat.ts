/**
 * The endpoints of the chat server. Each answer is checked here, so that nothing else in the page meets a shape that it
 * doesn't expect.
 */

import { validate as isUuid } from "uuid";

import { ApiError } from "./errors";
import { request } from "./request";
import type { RecordedMessage, Sender, StartedChat } from "./types";

export async function startChat(): Promise<StartedChat> {
  const body = fields(await request("/start_chat", { method: "POST" }));
  return { chatId: string(body, "chat_id"), reply: string(body, "reply") };
}

/** Says something and gives the bot's reply. Under one key, a UUID, it is recorded once, however often it is sent. */
export async function sendMessage(chatId: string, text: string, key: string): Promise<string> {
  // What the browser kept of an older page has a key of another kind.
  const answer = await request("/message", {
    method: "POST",
    headers: { "Content-Type": "application/json", ...(isUuid(key) ? { "Idempotency-Key": key } : {}) },
    body: JSON.stringify({ chat_id: chatId, text }),
  });
  return string(fields(answer), "reply");
}

/** All messages of a chat, in order. */
export async function fetchTranscript(chatId: string): Promise<RecordedMessage[]> {
  const path = `/transcript/${encodeURIComponent(chatId)}`;
  const { messages } = fields(await request(path, { cache: "no-store" }));
  if (!Array.isArray(messages)) {
    throw new ApiError("unexpected", "messages: not a list");
  }
  return messages.map((message) => recordedMessage(fields(message)));
}

type Fields = Readonly<Record<string, unknown>>;

function recordedMessage(message: Fields): RecordedMessage {
  return {
    id: typeof message.id === "number" ? message.id : null,
    sender: sender(message.sender),
    text: string(message, "text"),
    at: moment(message),
  };
}

function sender(value: unknown): Sender {
  if (value === "USER" || value === "BOT") {
    return value;
  }
  throw new ApiError("unexpected", "sender: neither USER nor BOT");
}

/** `timestamp` is exact; `time`, "YYYY-MM-DD HH:MM:SS" in UTC, is what older servers have. */
function moment({ timestamp, time }: Fields): Date | null {
  const text = typeof timestamp === "string" ? timestamp : typeof time === "string" ? `${time.replace(" ", "T")}Z` : "";
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? null : at;
}

function fields(value: unknown): Fields {
  if (typeof value === "object" && value !== null) {
    return value as Fields;
  }
  throw new ApiError("unexpected", "the answer isn't an object");
}

function string(object: Fields, name: string): string {
  const value = object[name];
  if (typeof value === "string") {
    return value;
  }
  throw new ApiError("unexpected", `${name}: not a text`);
}

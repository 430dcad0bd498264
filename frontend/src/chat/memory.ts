/**
 * What the browser keeps over a reload: which chat it is, the text in the box, and what was said and isn't known to be
 * recorded. A browser that keeps nothing (private windows may refuse) only loses that, and what can't be read is as if
 * it weren't there.
 */

import { isAnswered, takeBack, type Exchange, type Progress } from "./exchange";

const CHAT = "sillychat.chat";
const UNSENT = "sillychat.unsent";

export type Unsent = {
  readonly draft: string;
  readonly exchanges: readonly Exchange[];
};

const NOTHING: Unsent = { draft: "", exchanges: [] };

export function recallChat(): string | null {
  return read(CHAT);
}

export function rememberChat(chatId: string): void {
  write(CHAT, chatId);
}

/** What was left unsent. From another chat (there may be two windows) only the words come, into the text box. */
export function recallUnsent(chatId: string | null): Unsent {
  const kept = parse(read(UNSENT));
  if (kept === null) {
    return NOTHING;
  }
  const { draft, exchanges } = kept;
  return kept.chatId === chatId ? { draft, exchanges } : { draft: takeBack(exchanges, draft), exchanges: [] };
}

export function rememberUnsent(chatId: string | null, { draft, exchanges }: Unsent): void {
  // Answered ones are with the server; beside an unanswered one they tell which of two equal texts is whose.
  const open = exchanges.every(isAnswered) ? [] : exchanges;
  if (draft === "" && open.length === 0) {
    forget(UNSENT);
  } else {
    write(UNSENT, JSON.stringify({ chatId, draft, exchanges: open }));
  }
}

type Fields = Readonly<Record<string, unknown>>;

function parse(kept: string | null): (Unsent & { readonly chatId: unknown }) | null {
  const { chatId, draft, exchanges } = fields(json(kept));
  if (typeof draft !== "string" || !Array.isArray(exchanges)) {
    return null;
  }
  return { chatId, draft, exchanges: exchanges.map(fields).map(exchange).filter(isExchange) };
}

function exchange(kept: Fields): Exchange | null {
  const { key, text, after, uncertain } = kept;
  const saidAt = moment(kept.saidAt);
  const progress = fields(kept.progress);
  if (typeof key !== "string" || typeof text !== "string" || typeof after !== "number" || saidAt === null) {
    return null;
  }
  const settled = settledProgress(progress);
  // A reload has interrupted it: without its answer, nobody knows whether it arrived.
  const reason = "The page was closed before an answer came.";
  return settled === null
    ? { key, text, after, saidAt, uncertain: true, progress: { state: "failed", reason } }
    : { key, text, after, saidAt, uncertain: uncertain === true, progress: settled };
}

function settledProgress({ state, reason, reply, at }: Fields): Progress | null {
  const answeredAt = moment(at);
  if (state === "answered" && typeof reply === "string" && answeredAt !== null) {
    return { state, reply, at: answeredAt };
  }
  return state === "failed" && typeof reason === "string" ? { state, reason } : null;
}

function isExchange(exchange: Exchange | null): exchange is Exchange {
  return exchange !== null;
}

function moment(value: unknown): Date | null {
  const at = new Date(typeof value === "string" ? value : "");
  return Number.isNaN(at.getTime()) ? null : at;
}

function fields(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}

function json(text: string | null): unknown {
  try {
    return JSON.parse(text ?? "null");
  } catch {
    return null;
  }
}

function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function write(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Full or forbidden: the page works without.
  }
}

function forget(key: string): void {
  try {
    localStorage.removeItem(key);
  } catch {
    // Forbidden: there is nothing to forget either.
  }
}

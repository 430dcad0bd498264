/**
 * What the browser keeps of one chat over a reload: the text in the box, what was said and isn't answered, and the last
 * messages. Each unanswered message has a place of its own, so that two windows never overwrite each other's.
 */

import type { RecordedMessage } from "../api/chat";
import { TURN, type Exchange, type Progress } from "../chat/exchange";
import { fields, list, parse, SEEN, type Change, type Memory } from "./storage";

const DRAFT = "sillychat.draft.";
const UNSENT = "sillychat.unsent.";

/** Enough for the first screen, even a large one. */
const MOST_SEEN = 50;
const MOST_SEEN_CHARACTERS = 50_000;

/** What another window did. */
export type Heard =
  | { readonly type: "draft"; readonly was: string; readonly is: string }
  | { readonly type: "unsent"; readonly exchange: Exchange }
  /** It was answered, or taken back. */
  | { readonly type: "settled"; readonly key: string };

export class ChatMemory {
  readonly #memory: Memory;
  readonly #chatId: string;
  #forgotten = false;

  constructor(memory: Memory, chatId: string) {
    this.#memory = memory;
    this.#chatId = chatId;
  }

  draft(): string {
    return this.#memory.get(DRAFT + this.#chatId) ?? "";
  }

  keepDraft(draft: string): void {
    this.#keep(DRAFT + this.#chatId, draft === "" ? null : draft);
  }

  unsent(): Exchange[] {
    const kept = this.#memory.names(this.#unsent("")).map((name) => exchange(this.#memory.get(name)));
    return kept.filter((exchange) => exchange !== null).sort((one, other) => one.saidAt - other.saidAt);
  }

  keepUnsent(exchange: Exchange): void {
    this.#keep(this.#unsent(exchange.key), JSON.stringify(exchange));
  }

  dropUnsent(key: string): void {
    this.#keep(this.#unsent(key), null);
  }

  seen(): RecordedMessage[] {
    return list(parse(this.#memory.get(SEEN + this.#chatId))).flatMap(({ id, sender, text, at }) => {
      const isMessage = (sender === "USER" || sender === "BOT") && typeof text === "string";
      const message = { id: typeof id === "number" ? id : null, at: typeof at === "number" ? at : null };
      return isMessage ? [{ ...message, sender, text }] : [];
    });
  }

  keepSeen(messages: readonly RecordedMessage[]): void {
    let room = MOST_SEEN_CHARACTERS;
    const last = messages.slice(-MOST_SEEN).reverse();
    const fitting = last.filter(({ text }) => (room -= text.length) >= 0).reverse();
    this.#keep(SEEN + this.#chatId, JSON.stringify(fitting));
  }

  /** Nothing is kept of it any more, also not what its server still answers. */
  forget(): void {
    this.#forgotten = true;
    for (const name of [DRAFT + this.#chatId, SEEN + this.#chatId, ...this.#memory.names(this.#unsent(""))]) {
      this.#memory.remove(name);
    }
  }

  /** What a change by another window means for this chat; `null`: nothing. */
  heard({ name, was, is }: Change): Heard | null {
    if (name === DRAFT + this.#chatId) {
      return { type: "draft", was: was ?? "", is: is ?? "" };
    }
    if (!name.startsWith(this.#unsent(""))) {
      return null;
    }
    const said = exchange(is);
    return said === null
      ? { type: "settled", key: name.slice(this.#unsent("").length) }
      : { type: "unsent", exchange: said };
  }

  #unsent(key: string): string {
    return `${UNSENT}${this.#chatId}.${key}`;
  }

  #keep(name: string, value: string | null): void {
    if (value === null) {
      this.#memory.remove(name);
    } else if (!this.#forgotten && this.#memory.get(name) !== value) {
      this.#memory.set(name, value);
    }
  }
}

/** The chats in which something waits to be sent. */
export function chatsWithUnsent(memory: Memory): string[] {
  const ids = memory.names(UNSENT).map((name) => name.slice(UNSENT.length).split(".")[0] ?? "");
  return [...new Set(ids)];
}

function exchange(kept: string | null): Exchange | null {
  const { key, text, saidAt, afterId, progress } = fields(parse(kept));
  if (typeof key !== "string" || typeof text !== "string" || typeof saidAt !== "number") {
    return null;
  }
  return { key, text, saidAt, afterId: typeof afterId === "number" ? afterId : 0, progress: settled(fields(progress)) };
}

/** What was under way when the page was closed is sent again under its key: that is safe, whatever came of it. */
function settled({ state, why, detail }: Readonly<Record<string, unknown>>): Progress {
  if (state !== "failed") {
    return TURN;
  }
  const isKnown = why === "refused" || why === "unknown-chat" || why === "too-many" || why === "unavailable";
  const failure = isKnown || why === "timeout" || why === "unexpected" ? why : "unreachable";
  return { state, why: failure, detail: typeof detail === "string" ? detail : undefined };
}

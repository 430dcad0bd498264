/**
 * One chat as this page knows it: the server's transcript, what the person has said, and the text in the box. It sends
 * what was said, in order, until the server has answered or refused it. Everything unanswered is sent again under its
 * key, after a lost answer as after a reload, so that nothing is recorded twice. It knows no page: what is shown is
 * `view()`, and whoever wants to know of changes subscribes.
 */

import type { RecordedMessage } from "../api/chat";
import { asApiError, isPassing, type ApiError } from "../api/errors";
import type { ChatMemory, Heard } from "../memory/chat";
import { put, sayAgain, takeBack, TURN, without, type Exchange, type Progress } from "./exchange";
import { isIdentifier, newKey } from "./identifier";
import { Patience } from "./patience";
import { judge } from "./text";
import { findRecorded, highestId, named, timeline, type Item, type Names } from "./timeline";

export type Reading =
  /** Nothing is known yet. */
  | { readonly state: "loading" }
  /** What was seen last is shown, and the server asked. */
  | { readonly state: "remembered" }
  | { readonly state: "confirmed" }
  | { readonly state: "unreadable"; readonly error: ApiError }
  /** The server doesn't know the chat (any more). */
  | { readonly state: "gone" };

export type View = {
  readonly items: readonly Item[];
  readonly reading: Reading;
  readonly draft: string;
  /** The bot owes an answer, since then. */
  readonly answeringSince: number | null;
};

/** What of the chat server a conversation needs. */
export type Server = {
  readonly send: (chatId: string, text: string, key: string) => Promise<string>;
  readonly read: (chatId: string) => Promise<RecordedMessage[]>;
};

/** A transcript that was read so lately isn't read again only because the page is looked at. */
const FRESH_MS = 10_000;
const READ_AGAIN_AFTER_MS = [1000, 3000];

export class Conversation {
  readonly id: string;
  readonly #server: Server;
  readonly #memory: ChatMemory;
  readonly #isOnline: () => boolean;
  readonly #listeners = new Set<() => void>();

  #recorded: readonly RecordedMessage[] = [];
  #names: Names = new Map();
  #exchanges: readonly Exchange[] = [];
  #withdrawn: Exchange | null = null;
  #draft: string;
  #reading: Reading = { state: "loading" };
  #reads = 0;
  #readAt = 0;
  #sending = false;
  #patience = new Patience();
  #view: View;
  /** What `items` was made of. */
  #shown: { items: readonly Item[]; of: readonly unknown[] } = { items: [], of: [] };

  constructor(id: string, server: Server, memory: ChatMemory, isOnline: () => boolean) {
    this.id = id;
    this.#server = server;
    this.#memory = memory;
    this.#isOnline = isOnline;
    this.#draft = memory.draft();
    this.#exchanges = memory.unsent();
    this.#recorded = memory.seen();
    if (this.#recorded.length > 0) {
      this.#reading = { state: "remembered" };
    }
    this.#view = this.#look();
  }

  readonly view = (): View => this.#view;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** A chat that has just begun, with what the bot said first. */
  begun(greeting: string): void {
    this.#recorded = [{ id: null, sender: "BOT", text: greeting, at: Date.now() }];
    this.#readAt = Date.now();
    this.#reading = { state: "confirmed" };
    this.#changed();
  }

  /** The page is looked at: what is old is read again, and what waits is sent, whichever window it was said in. */
  async lookedAt(): Promise<void> {
    if (this.#reading.state !== "gone") {
      const adopt = (exchange: Exchange) =>
        exchange.progress.state === "elsewhere" ? { ...exchange, progress: TURN } : exchange;
      this.#exchanges = this.#exchanges.map(adopt);
      this.#changed();
      const isFresh = this.#reading.state === "confirmed" && Date.now() - this.#readAt < FRESH_MS;
      if (!isFresh) {
        await this.read();
      }
      await this.#send();
    }
  }

  /** The network is back. */
  async online(): Promise<void> {
    this.#patience.end();
    await this.lookedAt();
  }

  async read(): Promise<void> {
    if (!isIdentifier(this.id)) {
      this.#become({ state: "gone" });
      return;
    }
    const read = ++this.#reads;
    if (this.#reading.state === "unreadable") {
      this.#become({ state: this.#recorded.length > 0 ? "remembered" : "loading" });
    }
    for (const pause of [...READ_AGAIN_AFTER_MS, null]) {
      try {
        const recorded = await this.#server.read(this.id);
        if (read === this.#reads) {
          this.#hasRead(recorded, read);
        }
        return;
      } catch (thrown) {
        const error = asApiError(thrown);
        if (error.failure === "unknown-chat") {
          this.#become({ state: "gone" });
          return;
        }
        if (pause === null || !isPassing(error.failure) || read !== this.#reads) {
          this.#couldNotRead(error, read);
          return;
        }
        await this.#patience.wait(Math.max(pause, error.retryAfterMs ?? 0));
      }
    }
  }

  setDraft(draft: string): void {
    this.#draft = draft;
    this.#memory.keepDraft(draft);
    this.#changed();
  }

  /** Says what is in the box. */
  say(): void {
    const judged = judge(this.#draft);
    if (judged.state === "sendable" && this.#reading.state !== "gone") {
      // What was taken back and is sent as it was is a second attempt: the first one may have arrived.
      const again = this.#withdrawn?.text === judged.text ? this.#withdrawn : null;
      const exchange = again ?? this.#newExchange(judged.text);
      this.#withdrawn = null;
      this.#put({ ...exchange, progress: this.#isOnline() ? TURN : { state: "waiting", why: "offline" } });
      this.setDraft("");
      void this.#send();
    }
  }

  retry(key: string): void {
    const exchange = this.#find(key);
    if (exchange?.progress.state === "failed") {
      this.#exchanges = sayAgain(this.#exchanges, exchange);
      this.#put({ ...exchange, progress: TURN });
    }
    this.#patience.end();
    void this.#send();
  }

  /** Puts a message that isn't sent back into the text box. */
  edit(key: string): void {
    const exchange = this.#find(key);
    if (exchange !== undefined && exchange.progress.state !== "sending") {
      this.#withdrawn = exchange;
      this.#drop(key);
      this.setDraft(takeBack([exchange], this.#draft));
      this.#patience.end();
    }
  }

  /** All that would be lost with this chat, for another one's box. */
  takeAll(): string {
    const text = takeBack(this.#exchanges, this.#draft);
    this.#exchanges = [];
    this.#draft = "";
    this.#memory.forget();
    this.#changed();
    return text;
  }

  /** Another window has changed what the browser keeps of this chat. */
  heard(heard: Heard): void {
    switch (heard.type) {
      case "draft":
        // Both show the same box; what is being typed here stays.
        if (this.#draft === heard.was) {
          this.#draft = heard.is;
          this.#changed();
        }
        break;
      case "unsent":
        this.#heardUnsent(heard.exchange);
        break;
      case "settled":
        void this.#heardSettled(heard.key);
        break;
    }
  }

  #heardUnsent(exchange: Exchange): void {
    const known = this.#find(exchange.key)?.progress.state;
    if (known !== "sending" && known !== "waiting") {
      const { progress } = exchange;
      const here: Progress = progress.state === "failed" ? progress : { state: "elsewhere" };
      this.#exchanges = put(this.#exchanges, { ...exchange, progress: here });
      this.#changed();
    }
  }

  async #heardSettled(key: string): Promise<void> {
    const known = this.#find(key)?.progress.state;
    if (known === "sending" || known === "answered") {
      return;
    }
    await this.read();
    const { state } = this.#find(key)?.progress ?? {};
    // If the other window has deleted the chat, what was said here goes into the next one.
    if (state !== undefined && state !== "sending" && this.#reading.state !== "gone") {
      this.#exchanges = without(this.#exchanges, key);
      this.#changed();
    }
  }

  /** One after the other, so that the server records in the order of the page. */
  async #send(): Promise<void> {
    if (this.#sending) {
      return;
    }
    this.#sending = true;
    try {
      const attempts = new Map<string, number>();
      for (let next = this.#next(); next !== undefined; next = this.#next()) {
        const attempt = (attempts.get(next.key) ?? 0) + 1;
        attempts.set(next.key, attempt);
        const pause = await this.#attempt(next, attempt);
        if (pause > 0) {
          await this.#patience.wait(pause);
        }
      }
    } finally {
      this.#sending = false;
    }
    if (!this.#isOnline()) {
      const progress: Progress = { state: "waiting", why: "offline" };
      const later = (exchange: Exchange) =>
        exchange.progress.state === "waiting" ? { ...exchange, progress } : exchange;
      this.#exchanges = this.#exchanges.map(later);
      this.#changed();
    }
  }

  #next(): Exchange | undefined {
    return this.#isOnline() && this.#reading.state !== "gone"
      ? this.#exchanges.find(({ progress }) => progress.state === "waiting")
      : undefined;
  }

  /** Sends it once, and says how long to wait before anything is sent again. */
  async #attempt(exchange: Exchange, attempt: number): Promise<number> {
    this.#put({ ...exchange, progress: { state: "sending" } });
    try {
      const reply = await this.#server.send(this.id, exchange.text, exchange.key);
      this.#answered(exchange, reply);
      return 0;
    } catch (thrown) {
      const { failure: why, detail, retryAfterMs } = asApiError(thrown);
      if (why === "unknown-chat") {
        this.#become({ state: "gone" });
      }
      const pause = Patience.before(attempt, why, retryAfterMs);
      if (pause === null) {
        this.#put({ ...exchange, progress: { state: "failed", why, detail } });
        return 0;
      }
      const progress: Progress = this.#isOnline()
        ? { state: "waiting", why, until: Date.now() + pause }
        : { state: "waiting", why: "offline" };
      this.#put({ ...exchange, progress });
      return this.#isOnline() ? pause : 0;
    }
  }

  #answered(exchange: Exchange, reply: string): void {
    const seen = findRecorded(this.#recorded, this.#exchanges).has(exchange.key);
    const progress: Progress = { state: "answered", reply, at: Date.now(), duringRead: this.#reads };
    this.#exchanges = put(this.#exchanges, { ...exchange, progress });
    this.#memory.dropUnsent(exchange.key);
    this.#changed();
    this.#keepSeen();
    if (seen) {
      // A message of the same text may have been taken for it.
      void this.read();
    }
  }

  #hasRead(recorded: readonly RecordedMessage[], read: number): void {
    // Before the first message had an id, it had a name.
    const [first, former] = [recorded[0]?.id, this.#recorded[0]?.id];
    const names =
      typeof first === "number" && former === null ? new Map(this.#names).set(first, "place-0") : this.#names;
    this.#names = named(recorded, this.#exchanges, names);
    this.#recorded = recorded;
    this.#readAt = Date.now();
    this.#exchanges = this.#exchanges.filter(
      ({ progress }) => progress.state !== "answered" || progress.duringRead >= read,
    );
    const found = findRecorded(recorded, this.#exchanges);
    const [lost] = this.#exchanges.filter(({ key, progress }) => progress.state === "failed" && found.has(key));
    this.#become({ state: "confirmed" });
    this.#keepSeen();
    if (lost !== undefined) {
      // It seems to have arrived after all: the server knows, and says what it answered.
      this.retry(lost.key);
    }
  }

  #couldNotRead(error: ApiError, read: number): void {
    if (read === this.#reads && this.#reading.state !== "confirmed" && this.#reading.state !== "gone") {
      this.#become({ state: "unreadable", error });
    }
  }

  #newExchange(text: string): Exchange {
    return { key: newKey(), text, saidAt: Date.now(), afterId: highestId(this.#recorded), progress: TURN };
  }

  #find(key: string): Exchange | undefined {
    return this.#exchanges.find((exchange) => exchange.key === key);
  }

  #put(exchange: Exchange): void {
    this.#exchanges = put(this.#exchanges, exchange);
    this.#memory.keepUnsent(exchange);
    this.#changed();
  }

  #drop(key: string): void {
    this.#exchanges = without(this.#exchanges, key);
    this.#memory.dropUnsent(key);
    this.#changed();
  }

  #keepSeen(): void {
    this.#memory.keepSeen(this.#view.items.filter(({ exchange }) => exchange === undefined));
  }

  #become(reading: Reading): void {
    this.#reading = reading;
    this.#changed();
  }

  #changed(): void {
    this.#view = this.#look();
    for (const listener of this.#listeners) {
      listener();
    }
  }

  #look(): View {
    const of = [this.#recorded, this.#exchanges, this.#names];
    if (of.some((part, index) => part !== this.#shown.of[index])) {
      this.#shown = { items: timeline(this.#recorded, this.#exchanges, this.#names), of };
    }
    const asked = this.#exchanges.find(({ progress: { state } }) => state === "sending" || state === "elsewhere");
    return {
      items: this.#shown.items,
      reading: this.#reading,
      draft: this.#draft,
      answeringSince: asked?.saidAt ?? null,
    };
  }
}

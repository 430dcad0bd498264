/**
 * All conversations of this page, one object for each chat: one that was left goes on sending. It tells them what
 * happens to the window, and keeps the list of chats true.
 */

import { fetchTranscript, sendMessage, type StartedChat } from "../api/chat";
import { ChatMemory, chatsWithUnsent } from "../memory/chat";
import { Chats } from "../memory/chats";
import { onChange, type Change, type Memory } from "../memory/storage";
import { Conversation, type Server } from "./conversation";
import { isIdentifier } from "./identifier";
import { firstWords } from "./text";

const SERVER: Server = { send: sendMessage, read: fetchTranscript };

export class Chatroom {
  readonly chats: Chats;
  readonly #memory: Memory;
  readonly #isOnline: () => boolean;
  readonly #server: Server;
  readonly #open = new Map<string, Conversation>();

  constructor(memory: Memory, isOnline: () => boolean, server = SERVER) {
    this.chats = new Chats(memory);
    this.#memory = memory;
    this.#isOnline = isOnline;
    this.#server = server;
  }

  conversation(chatId: string): Conversation {
    const known = this.#open.get(chatId);
    if (known !== undefined) {
      return known;
    }
    const memory = new ChatMemory(this.#memory, chatId);
    const conversation = new Conversation(chatId, this.#server, memory, this.#isOnline);
    this.#open.set(chatId, conversation);
    conversation.subscribe(() => {
      this.#note(conversation);
    });
    return conversation;
  }

  begun({ chatId, reply }: StartedChat, draft: string): void {
    const conversation = this.conversation(chatId);
    conversation.begun(reply);
    if (draft !== "") {
      conversation.setDraft(draft);
    }
  }

  /** Removes what this browser has of a chat, and gives back what wasn't sent. */
  forget(chatId: string): string {
    const unsent = this.conversation(chatId).takeAll();
    this.#open.delete(chatId);
    this.chats.remove(chatId);
    return unsent;
  }

  /** Until the returned function is called. */
  attend(): () => void {
    for (const chatId of chatsWithUnsent(this.#memory).filter(isIdentifier)) {
      void this.conversation(chatId).lookedAt();
    }
    const online = () => {
      for (const conversation of this.#open.values()) {
        void conversation.online();
      }
    };
    const visible = () => {
      if (document.visibilityState === "visible") {
        for (const conversation of this.#open.values()) {
          void conversation.lookedAt();
        }
      }
    };
    const deaf = onChange((change) => {
      this.#heard(change);
    });
    window.addEventListener("online", online);
    window.addEventListener("focus", visible);
    document.addEventListener("visibilitychange", visible);
    return () => {
      deaf();
      window.removeEventListener("online", online);
      window.removeEventListener("focus", visible);
      document.removeEventListener("visibilitychange", visible);
    };
  }

  #heard(change: Change): void {
    const before = this.chats.all();
    this.chats.heard(change);
    const after = new Set(this.chats.all().map(({ id }) => id));
    for (const { id } of before.filter(({ id }) => !after.has(id))) {
      // Deleted in another window, it seems: the server knows.
      void this.#open.get(id)?.read();
    }
    for (const conversation of this.#open.values()) {
      const heard = new ChatMemory(this.#memory, conversation.id).heard(change);
      if (heard !== null) {
        conversation.heard(heard);
      }
    }
  }

  /** Only chats that the server has get into the list. */
  #note({ id, view }: Conversation): void {
    const { items, reading } = view();
    const last = items.findLast(({ at }) => at !== null)?.at;
    if (reading.state === "confirmed" && this.#open.has(id) && typeof last === "number") {
      const first = items.find(({ sender }) => sender === "USER");
      this.chats.put({ id, title: firstWords(first?.text ?? ""), at: last });
    }
  }
}

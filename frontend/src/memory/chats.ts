/** The chats that this browser knows, the last used one first. All windows share the list. */

import { fields, list, parse, type Change, type Memory } from "./storage";

const NAME = "sillychat.chats";
const MOST = 200;

export type Known = {
  readonly id: string;
  /** The first words of the person, as long as none were said "". */
  readonly title: string;
  /** When something was said last, in milliseconds. */
  readonly at: number;
};

export class Chats {
  readonly #memory: Memory;
  readonly #listeners = new Set<() => void>();
  #all: readonly Known[];

  constructor(memory: Memory) {
    this.#memory = memory;
    this.#all = this.#read();
  }

  readonly all = (): readonly Known[] => this.#all;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** At every key press: what hasn't changed costs no reading of the storage. */
  put(chat: Known): void {
    const same = this.#all.find(({ id }) => id === chat.id);
    if (same?.title !== chat.title || same.at !== chat.at) {
      this.#write([chat, ...this.#read().filter(({ id }) => id !== chat.id)]);
    }
  }

  remove(chatId: string): void {
    this.#write(this.#read().filter(({ id }) => id !== chatId));
  }

  /** Another window has changed something. */
  heard({ name }: Change): void {
    if (name === NAME) {
      this.#set(this.#read());
    }
  }

  #read(): Known[] {
    return list(parse(this.#memory.get(NAME))).flatMap((kept) => {
      const { id, title, at } = fields(kept);
      return typeof id === "string" && typeof title === "string" && typeof at === "number" ? [{ id, title, at }] : [];
    });
  }

  #write(chats: Known[]): void {
    const sorted = chats.sort((one, other) => other.at - one.at).slice(0, MOST);
    this.#memory.set(NAME, JSON.stringify(sorted));
    this.#set(sorted);
  }

  #set(chats: readonly Known[]): void {
    this.#all = chats;
    for (const listener of this.#listeners) {
      listener();
    }
  }
}

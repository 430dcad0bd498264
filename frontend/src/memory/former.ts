/** Takes over what release 0.2 of this page kept: one chat, and what was unsent in it. */

import { newKey } from "../chat/identifier";
import { TURN } from "../chat/exchange";
import { ChatMemory } from "./chat";
import { Chats } from "./chats";
import { fields, list, parse, type Memory } from "./storage";

const CHAT = "sillychat.chat";
const UNSENT = "sillychat.unsent";

export function takeOverFormer(memory: Memory, now: number): void {
  const chatId = memory.get(CHAT);
  if (chatId === null) {
    return;
  }
  const { draft, exchanges } = fields(parse(memory.get(UNSENT)));
  const kept = new ChatMemory(memory, chatId);
  kept.keepDraft(typeof draft === "string" ? draft : "");
  for (const { key, text, progress } of list(exchanges)) {
    if (typeof text === "string" && fields(progress).state !== "answered") {
      kept.keepUnsent({
        key: typeof key === "string" ? key : newKey(),
        text,
        saidAt: now,
        afterId: 0,
        progress: { ...TURN },
      });
    }
  }
  new Chats(memory).put({ id: chatId, title: "", at: now });
  memory.remove(CHAT);
  memory.remove(UNSENT);
}

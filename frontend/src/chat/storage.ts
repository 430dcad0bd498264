// Remembers the chat over a reload. A browser that forbids storage only forgets it.

const KEY = "sillychat.chat";

export function rememberedChat(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

export function rememberChat(chatId: string | null): void {
  try {
    if (chatId === null) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, chatId);
  } catch {
    // Storage is full or forbidden: the chat goes on without.
  }
}

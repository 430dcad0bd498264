/**
 * Which chat the address names: `#/chat/ID`. It stands behind the #, which browsers send to nobody: who knows a chat's
 * id can read the chat, so it stays out of logs and referrers.
 */

import { useSyncExternalStore } from "react";

export type Place =
  /** No place in particular: the chat that was used last. */
  { readonly name: "last" } | { readonly name: "start" } | { readonly name: "chat"; readonly chatId: string };

export const START = "#/";

export function addressOf(chatId: string): string {
  return `#/chat/${encodeURIComponent(chatId)}`;
}

export function placeOf(hash: string): Place {
  const chatId = /^#\/chat\/([^/]+)$/.exec(hash)?.[1];
  if (chatId !== undefined) {
    return { name: "chat", chatId: decoded(chatId).toLowerCase() };
  }
  return hash === "" || hash === "#" ? { name: "last" } : { name: "start" };
}

export function useHash(): string {
  return useSyncExternalStore(subscribe, () => window.location.hash);
}

export function goTo(address: string): void {
  if (window.location.hash !== address) {
    window.location.hash = address;
  }
}

/** Without an entry in the history: back leads to where the person came from. */
export function replaceBy(address: string): void {
  history.replaceState(null, "", address);
  window.dispatchEvent(new HashChangeEvent("hashchange"));
}

function subscribe(changed: () => void): () => void {
  window.addEventListener("hashchange", changed);
  return () => {
    window.removeEventListener("hashchange", changed);
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * What the browser keeps over a reload: which chat it is, the text in the box, and what was said and isn't known to be
 * recorded. A browser that keeps nothing (private windows may refuse) only loses that.
 */

import type { Exchange } from "./exchange";

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

export function recallUnsent(): Unsent {
  const kept = read(UNSENT);
  if (kept === null) {
    return NOTHING;
  }
  try {
    return parse(JSON.parse(kept));
  } catch {
    return NOTHING;
  }
}

export function rememberUnsent(unsent: Unsent): void {
  if (unsent.draft === "" && unsent.exchanges.length === 0) {
    forget(UNSENT);
  } else {
    write(UNSENT, JSON.stringify(unsent));
  }
}

function parse(kept: unknown): Unsent {
  const { draft, exchanges } = kept as Record<keyof Unsent, unknown>;
  return {
    draft: typeof draft === "string" ? draft : "",
    exchanges: Array.isArray(exchanges) ? exchanges.map(interrupted) : [],
  };
}

/** An exchange that a reload may have interrupted: without its answer, nobody knows whether it arrived. */
function interrupted(kept: Exchange): Exchange {
  const { progress } = kept;
  const { key, text, after, uncertain } = kept;
  const exchange = { key, text, after, saidAt: new Date(kept.saidAt) };
  switch (progress.state) {
    case "answered": {
      const at = new Date(progress.at);
      return { ...exchange, uncertain, progress: { ...progress, at } };
    }
    case "failed":
      return { ...exchange, uncertain, progress };
    case "sending": {
      const reason = "The page was closed before an answer came.";
      return {
        ...exchange,
        uncertain: true,
        progress: { state: "failed", reason },
      };
    }
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

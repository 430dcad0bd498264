// The chat server's HTTP API. Same origin as the page: nginx (or the dev server) forwards these paths.

export type Sender = "USER" | "BOT";

export interface Message {
  /** Order within all chats; absent from servers before 0.1. */
  id?: number;
  /** "YYYY-MM-DD HH:MM:SS", UTC. */
  time: string;
  /** RFC 3339, with fraction. */
  timestamp?: string;
  sender: Sender;
  text: string;
}

export interface StartedChat {
  chat_id: string;
  reply: string;
}

/** The longest text that the server takes, in characters. */
export const MAX_TEXT_LENGTH = 4000;

const TIMEOUT_MS = 30_000;

/** A request that did not succeed. `status` 0: no answer at all. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    detail: string,
  ) {
    super(detail);
    this.name = "ApiError";
  }

  /** Whether trying the same again may help. */
  get isTransient(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

export function startChat(): Promise<StartedChat> {
  return request<StartedChat>("/start_chat", { method: "POST" });
}

export function sendMessage(chatId: string, text: string): Promise<{ reply: string }> {
  return request("/message", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ chat_id: chatId, text }),
  });
}

export async function fetchTranscript(chatId: string): Promise<Message[]> {
  const { messages } = await request<{ messages: Message[] }>(`/transcript/${encodeURIComponent(chatId)}`, {});
  return messages;
}

async function request<T>(path: string, init: RequestInit): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch {
    throw new ApiError(0, "The server could not be reached. Is the network there?");
  }
  if (!response.ok) {
    throw new ApiError(response.status, await detail(response));
  }
  try {
    return (await response.json()) as T;
  } catch {
    throw new ApiError(response.status, "The server gave an answer that makes no sense.");
  }
}

async function detail(response: Response): Promise<string> {
  try {
    const body: unknown = await response.json();
    if (typeof body === "object" && body !== null && "detail" in body && typeof body.detail === "string") {
      return body.detail;
    }
  } catch {
    // Not ours: a proxy's page.
  }
  return `The server answered with an error (${response.status}).`;
}

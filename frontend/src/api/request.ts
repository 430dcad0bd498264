/**
 * One request to the chat server: a JSON answer, or an ApiError. It knows the statuses, not the endpoints, and never
 * repeats a request.
 */

import { ApiError, type Failure } from "./errors";

/** A little more than the proxy in front of the server waits, so that its explanation arrives. */
const PATIENCE_MS = 35_000;

const NO_CONTENT = 204;

export async function request(path: string, init: RequestInit = {}): Promise<unknown> {
  const response = await send(path, init);
  if (response.status === NO_CONTENT) {
    return null;
  }
  const body = await json(response);
  if (response.ok) {
    return body;
  }
  const detail = detailIn(body);
  throw new ApiError(failureOf(response.status, detail), { detail, retryAfterMs: retryAfter(response.headers) });
}

async function send(path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(path, { cache: "no-store", ...init, signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch (cause) {
    throw lost(cause);
  }
}

async function json(response: Response): Promise<unknown> {
  let text: string;
  try {
    text = await response.text();
  } catch (cause) {
    throw lost(cause);
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    // Something between the page and the server may answer errors in HTML; the status says enough then.
    if (!response.ok) {
      return null;
    }
    throw new ApiError("unexpected", { detail: "the answer isn't JSON", cause });
  }
}

function lost(cause: unknown): ApiError {
  const timedOut = cause instanceof DOMException && cause.name === "TimeoutError";
  return new ApiError(timedOut ? "timeout" : "unreachable", { cause });
}

function failureOf(status: number, detail: string | undefined): Failure {
  switch (status) {
    case 404:
      // Without the server's words it is somebody else's 404, and the chat may well exist.
      return detail === undefined ? "unexpected" : "unknown-chat";
    case 408:
    case 504:
      return "timeout";
    case 429:
      return "too-many";
    default:
      return status >= 500 ? "unavailable" : status >= 400 ? "refused" : "unexpected";
  }
}

function detailIn(body: unknown): string | undefined {
  const described = typeof body === "object" && body !== null && "detail" in body;
  return described && typeof body.detail === "string" ? body.detail : undefined;
}

/** The server says seconds; a proxy's date isn't worth its parsing. */
function retryAfter(headers: Headers): number | undefined {
  const seconds = Number.parseInt(headers.get("Retry-After") ?? "", 10);
  return seconds >= 0 ? seconds * 1000 : undefined;
}

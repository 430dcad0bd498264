/**
 * What can go wrong with a request, in kinds that the page treats differently, and the words that a person gets for
 * each. Which request failed, and what to do about it, is the caller's business.
 */

export type Failure =
  "unreachable" | "timeout" | "unknown-chat" | "refused" | "too-many" | "unavailable" | "unexpected";

export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly failure: Failure;
  readonly detail: string | undefined;

  /** `detail` is the server's own explanation, if it gave one. */
  constructor(failure: Failure, detail?: string, options?: ErrorOptions) {
    super(detail ?? failure, options);
    this.failure = failure;
    this.detail = detail;
  }
}

/** Whether the server said no, so that it certainly has not done what was asked. */
export function isRefusal(error: unknown): boolean {
  if (!(error instanceof ApiError)) {
    return false;
  }
  return ["unknown-chat", "refused", "too-many"].includes(error.failure);
}

export function isUnknownChat(error: unknown): boolean {
  return error instanceof ApiError && error.failure === "unknown-chat";
}

/** One sentence for the person. */
export function explain(error: unknown): string {
  if (!(error instanceof ApiError)) {
    return "Something unexpected went wrong.";
  }
  switch (error.failure) {
    case "unreachable":
      return "The server can’t be reached.";
    case "timeout":
      return "The server took too long to answer.";
    case "unknown-chat":
      return "The server doesn’t know this chat any more.";
    case "refused":
      return error.detail === undefined ? "The server refused this." : `The server refused this: ${error.detail}.`;
    case "too-many":
      return "That was a bit fast. Wait a moment.";
    case "unavailable":
      return "The server isn’t available right now.";
    case "unexpected":
      return "The server gave an answer that makes no sense.";
  }
}

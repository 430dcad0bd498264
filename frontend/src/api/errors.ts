/**
 * What can go wrong with a request, in kinds that the page treats differently. The words for each are the language's
 * business (`language/en.ts`).
 */

export type Failure =
  "unreachable" | "timeout" | "unknown-chat" | "refused" | "too-many" | "unavailable" | "unexpected";

type About = {
  /** The server's own explanation, if it gave one. */
  readonly detail?: string | undefined;
  /** When the server wants to be asked again. */
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
};

export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly failure: Failure;
  readonly detail: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(failure: Failure, { detail, retryAfterMs, cause }: About = {}) {
    super(detail ?? failure, { cause });
    this.failure = failure;
    this.detail = detail;
    this.retryAfterMs = retryAfterMs;
  }
}

/** A fault of the page while it made a request is told like an answer that nobody understands. */
export function asApiError(error: unknown): ApiError {
  return error instanceof ApiError ? error : new ApiError("unexpected", { cause: error });
}

/** Whether the same request may succeed a moment later. */
export function isPassing(failure: Failure): boolean {
  return failure !== "unknown-chat" && failure !== "refused";
}

/** How long to wait before something is tried again, and the waiting itself, which can be ended early. */

import { isPassing, type Failure } from "../api/errors";

const PAUSES_MS = [1000, 2000, 4000];
const MOST_MS = 60_000;
/** The server says when there is room again; a crowd of others may take it first. */
const MOST_REFUSALS = 10;

export class Patience {
  #end: (() => void) | null = null;

  /** The pause after an attempt that failed, the first one being 1; `null`: no more attempts by itself. */
  static before(attempt: number, failure: Failure, retryAfterMs: number | undefined): number | null {
    if (!isPassing(failure)) {
      return null;
    }
    if (failure === "too-many") {
      return attempt < MOST_REFUSALS ? Math.min(retryAfterMs ?? 1000, MOST_MS) : null;
    }
    const pause = PAUSES_MS[attempt - 1];
    return pause === undefined ? null : Math.min(Math.max(pause, retryAfterMs ?? 0), MOST_MS);
  }

  async wait(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      const before = this.#end;
      this.#end = () => {
        before?.();
        clearTimeout(timer);
        resolve();
      };
    });
  }

  end(): void {
    const end = this.#end;
    this.#end = null;
    end?.();
  }
}

import { useEffect, useState } from "react";

import type { Exchange, Progress } from "../../chat/exchange";
import { useStrings } from "../../language/language";
import type { Strings } from "../../language/en";

type Props = {
  readonly exchange: Exchange;
  readonly onRetry: (key: string) => void;
  readonly onEdit: (key: string) => void;
};

/** What becomes of a message that isn't recorded (yet), and what can be done about it. */
export function Delivery({ exchange: { key, progress }, onRetry, onEdit }: Props) {
  const strings = useStrings();
  const seconds = useSecondsUntil("until" in progress ? progress.until : 0);
  const isUnderWay = progress.state === "sending" || progress.state === "elsewhere";
  return (
    <div className="delivery" data-failed={progress.state === "failed"}>
      <p>{note(progress, seconds, strings)}</p>
      {canRetry(progress) && (
        <button
          type="button"
          className="button button-small"
          onClick={() => {
            onRetry(key);
          }}
        >
          {strings.retry}
        </button>
      )}
      {!isUnderWay && (
        <button
          type="button"
          className="button button-small button-plain"
          onClick={() => {
            onEdit(key);
          }}
        >
          {strings.edit}
        </button>
      )}
    </div>
  );
}

/** What was refused is refused again; what waits for its turn or the network can't be hurried. */
function canRetry(progress: Progress): boolean {
  return "why" in progress && !["turn", "offline", "refused"].includes(progress.why);
}

function note(progress: Progress, seconds: number, strings: Strings): string {
  switch (progress.state) {
    case "answered":
      return "";
    case "sending":
    case "elsewhere":
      return strings.sending;
    case "failed":
      return strings.notSent(strings.reasons[progress.why], progress.why === "refused" ? progress.detail : undefined);
    case "waiting":
      if ("until" in progress) {
        return strings.waitingFor(strings.reasons[progress.why], seconds);
      }
      return progress.why === "offline" ? strings.waitingOffline : strings.waiting;
  }
}

/** Counts down while somebody looks. */
function useSecondsUntil(until: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (until > Date.now()) {
      const timer = setInterval(() => {
        setNow(Date.now());
      }, 250);
      return () => {
        clearInterval(timer);
      };
    }
    return undefined;
  }, [until]);
  return Math.max(0, Math.ceil((until - now) / 1000));
}

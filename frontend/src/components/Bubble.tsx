import type { Line } from "../chat/conversation";

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

export function Bubble({ line, onRetry }: { line: Line; onRetry: (key: string) => void }) {
  const at = new Date(line.at);
  const isKnown = !Number.isNaN(at.getTime());
  return (
    <li className="message" data-sender={line.sender} data-state={line.state}>
      <span className="meta">
        <span className="visually-hidden">{line.sender === "BOT" ? "Bot" : "You"}, </span>
        {isKnown && (
          <time dateTime={line.at} title={exact.format(at)}>
            {clock.format(at)}
          </time>
        )}
        {line.state === "sending" && " · sending"}
      </span>
      <p className="bubble" dir="auto">
        {line.text}
      </p>
      {line.state === "failed" && (
        <span className="error" role="alert">
          Not sent. {line.error}{" "}
          <button
            type="button"
            className="link"
            onClick={() => {
              onRetry(line.key);
            }}
          >
            Retry
          </button>
        </span>
      )}
    </li>
  );
}

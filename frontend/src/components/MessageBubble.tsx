import { fullMoment, shortMoment } from "../chat/moment";
import type { Exchange } from "../chat/exchange";
import type { TimelineItem } from "../chat/timeline";

type Props = {
  readonly item: TimelineItem;
  readonly onRetry: (exchange: Exchange) => void;
  readonly onEdit: (exchange: Exchange) => void;
};

/** One message: when and by whom above, the words in a bubble, and below what is to be done if it wasn't sent. */
export function MessageBubble({ item, onRetry, onEdit }: Props) {
  const { sender, text, at, delivery } = item;
  const failed = delivery.state === "failed";
  return (
    <li className={failed ? "message message-failed" : "message"} data-sender={sender}>
      <p className="message-head">
        <span className="hidden-label">{sender === "USER" ? "You" : "Bot"}, </span>
        {delivery.state === "sending" ? "Sending…" : <Moment at={at} />}
      </p>
      <p className="bubble" dir="auto">
        {text}
      </p>
      {failed && (
        <div className="message-failure">
          <p>Not sent. {delivery.reason}</p>
          <button
            type="button"
            className="button button-small"
            onClick={() => {
              onRetry(delivery.exchange);
            }}
          >
            Retry
          </button>
          <button
            type="button"
            className="button button-small button-plain"
            onClick={() => {
              onEdit(delivery.exchange);
            }}
          >
            Edit
          </button>
        </div>
      )}
    </li>
  );
}

function Moment({ at }: { readonly at: Date | null }) {
  if (at === null) {
    return null;
  }
  return (
    <time dateTime={at.toISOString()} title={fullMoment(at)}>
      {shortMoment(at, new Date())}
    </time>
  );
}

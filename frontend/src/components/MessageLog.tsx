import { useEffect } from "react";

import type { Exchange } from "../chat/exchange";
import type { TimelineItem } from "../chat/timeline";
import { MessageBubble } from "./MessageBubble";
import { TypingIndicator } from "./TypingIndicator";
import { useStickToEnd } from "./useStickToEnd";

type Props = {
  readonly items: readonly TimelineItem[];
  readonly answering: boolean;
  readonly onRetry: (exchange: Exchange) => void;
  readonly onEdit: (exchange: Exchange) => void;
};

/** The conversation. It stays at the newest message, and comes back to it when the person says something. */
export function MessageLog({ items, answering, onRetry, onEdit }: Props) {
  const { box, content, atEnd, goToEnd } = useStickToEnd();

  const lastSaid = items.findLast(({ delivery }) => delivery.state === "sending")?.key;
  useEffect(() => {
    if (lastSaid !== undefined) {
      goToEnd();
    }
  }, [lastSaid, goToEnd]);

  return (
    <div className="log-frame">
      <div
        ref={box}
        className="log"
        role="log"
        aria-live="polite"
        // A message that moves from "Sending…" to its time is no news.
        aria-relevant="additions"
        aria-label="Conversation"
        // Reading back with the keyboard alone.
        tabIndex={0}
      >
        <ol ref={content} className="messages" role="list">
          {items.map((item) => (
            <MessageBubble key={item.key} item={item} onRetry={onRetry} onEdit={onEdit} />
          ))}
          {answering && (
            <li className="message" aria-hidden="true">
              <TypingIndicator />
            </li>
          )}
        </ol>
      </div>
      {!atEnd && (
        <button type="button" className="button to-end" onClick={goToEnd}>
          Newest messages <span aria-hidden="true">↓</span>
        </button>
      )}
    </div>
  );
}

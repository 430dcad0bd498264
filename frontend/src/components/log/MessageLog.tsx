import { memo, useEffect, useMemo, useRef, type KeyboardEvent } from "react";

import { isSameDay } from "../../chat/moment";
import type { Item } from "../../chat/timeline";
import { useStrings } from "../../language/language";
import { useToday } from "../../window/useToday";
import { guess } from "./geometry";
import { Message } from "./Message";
import { Typing } from "./Typing";
import { useVirtualList } from "./useVirtualList";

type Props = {
  readonly items: readonly Item[];
  readonly answeringSince: number | null;
  readonly onRetry: (key: string) => void;
  readonly onEdit: (key: string) => void;
};

/** Characters on a line of the widest bubble; only for a guess. */
const COLUMNS = 60;

/**
 * The conversation. It stays at the newest message, and comes back to it when the person says something. While they
 * type, it has nothing to do.
 */
export const MessageLog = memo(function MessageLog({ items, answeringSince, onRetry, onEdit }: Props) {
  const strings = useStrings();
  const today = useToday();
  const rows = useMemo(() => items.map((item, index) => row(item, items[index - 1])), [items]);
  const { box, content, span, goToStart, goToEnd } = useVirtualList(rows);

  const lastSaid = items.findLast(
    ({ exchange }) => exchange !== undefined && exchange.progress.state !== "failed",
  )?.key;
  const latest = useRef(goToEnd);
  useEffect(() => {
    latest.current = goToEnd;
  });
  useEffect(() => {
    if (lastSaid !== undefined) {
      latest.current();
    }
  }, [lastSaid]);

  // Not gliding past thousands of messages, as browsers would.
  function onKeyDown(event: KeyboardEvent) {
    const go = event.key === "Home" ? goToStart : event.key === "End" ? goToEnd : null;
    if (go !== null && !event.ctrlKey && !event.altKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      go();
    }
  }

  return (
    <div className="log-frame">
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- it scrolls: keys are for that */}
      <div
        ref={box}
        className="log"
        role="log"
        // Scrolling brings rows into the page that are no news. What is new is read out by the Announcer.
        aria-live="off"
        aria-label={strings.conversation}
        // Reading back with the keyboard alone.
        tabIndex={0}
        onKeyDown={onKeyDown}
      >
        <ol ref={content} className="messages" role="list">
          <Spacer height={span.before} />
          {rows.slice(span.first, span.end).map(({ key, item, startsDay }, index) => (
            <Message
              key={key}
              item={item}
              startsDay={startsDay}
              today={today}
              place={span.first + index + 1}
              count={rows.length}
              onRetry={onRetry}
              onEdit={onEdit}
            />
          ))}
          <Spacer height={span.after} />
          {answeringSince !== null && <Typing since={answeringSince} />}
        </ol>
      </div>
      {!span.atEnd && (
        <button
          type="button"
          className="button to-end"
          onClick={() => {
            goToEnd();
            box.current?.focus({ preventScroll: true });
          }}
        >
          {span.unseen > 0 ? strings.newMessages(span.unseen) : strings.toEnd} <span aria-hidden="true">↓</span>
        </button>
      )}
    </div>
  );
});

function Spacer({ height }: { readonly height: number }) {
  return <li className="spacer" aria-hidden="true" style={{ height }} />;
}

function row(item: Item, before: Item | undefined) {
  const startsDay = item.at !== null && !(typeof before?.at === "number" && isSameDay(before.at, item.at));
  return { key: item.key, item, startsDay, guess: guess(item.text, startsDay, COLUMNS) };
}

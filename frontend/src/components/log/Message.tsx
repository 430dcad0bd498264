import { memo } from "react";

import { parts } from "../../chat/links";
import { dayName, format } from "../../chat/moment";
import type { Item } from "../../chat/timeline";
import { useSpoken } from "../../language/language";
import { CopyButton } from "./CopyButton";
import { Delivery } from "./Delivery";

type Props = {
  readonly item: Item;
  /** The first one of its day. */
  readonly startsDay: boolean;
  readonly today: number;
  readonly place: number;
  readonly count: number;
  readonly onRetry: (key: string) => void;
  readonly onEdit: (key: string) => void;
};

/** One message: when and by whom above, the words in a bubble, and below what becomes of it if it isn't recorded. */
export const Message = memo(function Message({ item, startsDay, today, place, count, onRetry, onEdit }: Props) {
  const { strings, locale } = useSpoken();
  const { key, sender, text, at, exchange } = item;
  const { state } = exchange?.progress ?? {};
  return (
    <li className="row" data-row={key} aria-posinset={place} aria-setsize={count}>
      {startsDay && at !== null && (
        <p className="day">
          <span>{dayName(at, today, locale, strings)}</span>
        </p>
      )}
      <div className="message" data-sender={sender} data-state={state}>
        <p className="message-head">
          <span className="hidden-label">{sender === "USER" ? strings.you : strings.bot}, </span>
          {at !== null && (
            <time dateTime={new Date(at).toISOString()} title={format(at, "exact", locale)}>
              {format(at, "clock", locale)}
            </time>
          )}
        </p>
        <div className="bubble-line">
          <p className="bubble" dir="auto">
            {parts(text).map(({ text, href }, index) =>
              href === undefined ? (
                text
              ) : (
                <a key={index} href={href} target="_blank" rel="noopener noreferrer nofollow ugc">
                  {text}
                </a>
              ),
            )}
          </p>
          <CopyButton text={text} />
        </div>
        {exchange !== undefined && <Delivery exchange={exchange} onRetry={onRetry} onEdit={onEdit} />}
      </div>
    </li>
  );
});

import { useEffect, useRef } from "react";

import type { Item } from "../../chat/timeline";
import { useStrings } from "../../language/language";

type Props = {
  readonly items: readonly Item[];
  /** Before, what comes is the past. */
  readonly since: number;
};

/** Reads out, politely, what the bot says, and that something wasn't sent. */
export function Announcer({ items, since }: Props) {
  const strings = useStrings();
  const region = useRef<HTMLDivElement>(null);
  const told = useRef<string>(null);

  const last = items.at(-1);
  const failed = last?.exchange?.progress.state === "failed" ? last.exchange.progress.why : null;
  useEffect(() => {
    if (region.current === null || last === undefined || (last.at ?? 0) < since) {
      return;
    }
    const isReply = last.sender === "BOT";
    const news = isReply
      ? `${strings.bot}: ${last.text}`
      : failed && strings.notSent(strings.reasons[failed], undefined);
    const name = `${last.key} ${failed ?? ""}`;
    if (news !== null && told.current !== name) {
      told.current = name;
      region.current.textContent = news;
    }
  }, [last, failed, since, strings]);

  return <div ref={region} className="hidden-label" role="status" aria-live="polite" data-testid="announcer" />;
}

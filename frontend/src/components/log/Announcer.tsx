import { useEffect, useRef, useState, type RefObject } from "react";

import type { Item } from "../../chat/timeline";
import { useStrings } from "../../language/language";
import type { Strings } from "../../language/en";

type Props = {
  readonly items: readonly Item[];
  /** What the bot said before is the past. */
  readonly since: number;
};

type News = { readonly name: string; readonly text: string } | null;

/** Screen readers miss what comes together with its region. */
const SOON_MS = 100;

/** Reads out, politely, what the bot says, and that something wasn't sent. */
export function Announcer({ items, since }: Props) {
  const strings = useStrings();
  const region = useRef<HTMLDivElement>(null);
  const failed = failure(items, strings);
  const [failedBefore] = useState(failed?.name);
  useTold(region, reply(items, since, strings));
  useTold(region, failed, failedBefore);
  return <div ref={region} className="hidden-label" role="status" aria-live="polite" data-testid="announcer" />;
}

function reply(items: readonly Item[], since: number, strings: Strings): News {
  const said = items.findLast(({ sender }) => sender === "BOT");
  return said !== undefined && (said.at ?? 0) >= since
    ? { name: said.key, text: `${strings.bot}: ${said.text}` }
    : null;
}

function failure(items: readonly Item[], strings: Strings): News {
  // What failed stands at the end.
  const last = items.at(-1);
  return last?.exchange?.progress.state === "failed"
    ? { name: last.key, text: strings.notSent(strings.reasons[last.exchange.progress.why], undefined) }
    : null;
}

/** Tells each news once; one that goes and comes again, again. */
function useTold(region: RefObject<HTMLDivElement | null>, news: News, known?: string): void {
  const told = useRef(known);
  const { name, text = "" } = news ?? {};
  useEffect(() => {
    if (told.current !== name) {
      told.current = name;
      if (name !== undefined) {
        setTimeout(() => {
          region.current?.replaceChildren(text);
        }, SOON_MS);
      }
    }
  }, [region, name, text]);
}

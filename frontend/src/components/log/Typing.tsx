import { useEffect, useState } from "react";

import { useStrings } from "../../language/language";

/** From then on a person wonders whether anything happens. */
const SLOW_MS = 6000;

/** The place of the bot's coming reply. Only to be seen: the reply itself is read out. */
export function Typing({ since }: { readonly since: number }) {
  const strings = useStrings();
  const slow = useSlow(since);
  return (
    <li className="row">
      <div className="message typing-line">
        <div className="typing" data-testid="typing" aria-hidden="true" title={strings.typing}>
          <span />
          <span />
          <span />
        </div>
        <p role="status" className="slow">
          {slow && strings.slow}
        </p>
      </div>
    </li>
  );
}

function useSlow(since: number): boolean {
  const [slowSince, setSlowSince] = useState<number | null>(null);
  useEffect(() => {
    const timer = setTimeout(
      () => {
        setSlowSince(since);
      },
      Math.max(0, since + SLOW_MS - Date.now()),
    );
    return () => {
      clearTimeout(timer);
    };
  }, [since]);
  return slowSince === since;
}

import { useEffect, useLayoutEffect, useRef } from "react";

import type { Line } from "../chat/conversation";
import { Bubble } from "./Bubble";

interface Props {
  lines: Line[];
  isReplying: boolean;
  onRetry: (key: string) => void;
}

/** How near to the end counts as being there, in CSS pixels. */
const NEAR = 80;

/** The messages. Stays at the newest one, unless the person has scrolled up to read; their own message brings them back. */
export function Conversation({ lines, isReplying, onRetry }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  const last = lines.at(-1);
  const lastIsNew = last?.state === "sending";

  useLayoutEffect(() => {
    const element = box.current;
    if (element && (isAtEnd.current || lastIsNew)) element.scrollTop = element.scrollHeight;
  }, [lines.length, last?.state, lastIsNew, isReplying]);

  // A keyboard that opens on a phone makes the box smaller.
  useEffect(() => {
    const element = box.current;
    if (!element || !("ResizeObserver" in window)) return;
    const observer = new ResizeObserver(() => {
      if (isAtEnd.current) element.scrollTop = element.scrollHeight;
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
    };
  }, []);

  const onScroll = () => {
    const element = box.current;
    if (element) isAtEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR;
  };

  return (
    // Scrollable content has to be reachable by keyboard.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div className="conversation" ref={box} onScroll={onScroll} tabIndex={0} role="log" aria-label="Conversation">
      <ol>
        {lines.map((line) => (
          <Bubble key={line.key} line={line} onRetry={onRetry} />
        ))}
        {isReplying && (
          <li className="message typing" data-typing>
            <span className="visually-hidden">The bot is typing</span>
            <p className="bubble" aria-hidden="true">
              <i />
              <i />
              <i />
            </p>
          </li>
        )}
      </ol>
    </div>
  );
}

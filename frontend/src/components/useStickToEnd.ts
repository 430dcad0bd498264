/**
 * Keeps a scrolled box at its end while it grows or the window shrinks, unless the person has scrolled up to read. The
 * box scrolls, its content grows.
 */

import { useCallback, useEffect, useRef, useState, type RefObject } from "react";

/** So near to the end that it counts as the end, in CSS pixels. */
const NEAR = 40;

export type StickToEnd = {
  readonly box: RefObject<HTMLDivElement | null>;
  readonly content: RefObject<HTMLOListElement | null>;
  readonly atEnd: boolean;
  readonly goToEnd: () => void;
};

export function useStickToEnd(): StickToEnd {
  const box = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLOListElement>(null);
  const sticks = useRef(true);
  const [atEnd, setAtEnd] = useState(true);

  const goToEnd = useCallback(() => {
    sticks.current = true;
    setAtEnd(true);
    scrollToEnd(box.current);
  }, []);

  useEffect(() => {
    const scrolled = box.current;
    const growing = content.current;
    if (scrolled === null || growing === null) {
      return;
    }
    let height = scrolled.clientHeight;
    const onScroll = () => {
      // A keyboard that opens shrinks the box, which also scrolls; the person did nothing then.
      if (scrolled.clientHeight === height) {
        sticks.current = isAtEnd(scrolled);
        setAtEnd(sticks.current);
      }
    };
    const observer = new ResizeObserver(() => {
      height = scrolled.clientHeight;
      if (sticks.current) {
        scrollToEnd(scrolled);
      } else {
        setAtEnd(isAtEnd(scrolled));
      }
    });
    observer.observe(scrolled);
    observer.observe(growing);
    scrolled.addEventListener("scroll", onScroll, { passive: true });
    return () => {
      observer.disconnect();
      scrolled.removeEventListener("scroll", onScroll);
    };
  }, []);

  return { box, content, atEnd, goToEnd };
}

function isAtEnd({ scrollHeight, scrollTop, clientHeight }: HTMLElement) {
  return scrollHeight - scrollTop - clientHeight <= NEAR;
}

function scrollToEnd(box: HTMLElement | null) {
  if (box !== null) {
    box.scrollTop = box.scrollHeight;
  }
}

/** Draws what a `VirtualList` wants drawn. */

import { useEffect, useLayoutEffect, useRef, useState, useSyncExternalStore, type RefObject } from "react";

import { VirtualList, type Row, type Span } from "./virtualList";

type Virtual = {
  readonly box: RefObject<HTMLDivElement | null>;
  readonly content: RefObject<HTMLOListElement | null>;
  readonly span: Span;
  readonly goToStart: () => void;
  readonly goToEnd: () => void;
};

export function useVirtualList(rows: readonly Row[]): Virtual {
  const [list] = useState(() => new VirtualList());
  const box = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLOListElement>(null);
  const span = useSyncExternalStore(list.subscribe, list.span);

  useLayoutEffect(
    () => (box.current && content.current ? list.attach(box.current, content.current) : undefined),
    [list],
  );
  useLayoutEffect(() => {
    list.setRows(rows);
  }, [list, rows]);
  useLayoutEffect(() => {
    list.measure();
  });
  useKeptFocus(box);

  return {
    box,
    content,
    span,
    goToStart: () => {
      list.goToStart();
    },
    goToEnd: () => {
      list.goToEnd();
    },
  };
}

/** A row with the keyboard's focus may be scrolled away: the list has it then, not nobody. */
function useKeptFocus(box: RefObject<HTMLDivElement | null>): void {
  const focused = useRef<Node>(null);
  useEffect(() => {
    const listener = ({ target }: FocusEvent) => {
      focused.current = target instanceof Node && box.current?.contains(target) ? target : null;
    };
    document.addEventListener("focusin", listener);
    return () => {
      document.removeEventListener("focusin", listener);
    };
  }, [box]);
  useEffect(() => {
    if (focused.current?.isConnected === false && document.activeElement === document.body) {
      box.current?.focus({ preventScroll: true });
    }
  });
}

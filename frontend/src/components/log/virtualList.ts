/**
 * A long list of which only the rows around what is looked at are drawn. It stays at its end while it grows, unless the
 * person has scrolled up: then the row at the top stays where it is, whatever is measured, merged or resized above it.
 *
 * The rows stand in the flow, between a spacer for those before and one for those after them.
 */

import { Geometry } from "./geometry";

export type Row = { readonly key: string; readonly guess: number };

/** What is to be drawn. */
export type Span = {
  readonly first: number;
  readonly end: number;
  /** The heights of the spacers. */
  readonly before: number;
  readonly after: number;
  readonly atEnd: boolean;
  /** Rows that came below what the person has seen. */
  readonly unseen: number;
};

const NOTHING: Span = { first: 0, end: 0, before: 0, after: 0, atEnd: true, unseen: 0 };

/** Drawn above and below the window, so that scrolling shows no gaps. */
const MARGIN = 600;
/** So near to the end that it counts as the end. */
const NEAR = 40;
const ANCHORS = CSS.supports("overflow-anchor", "auto");
/** Above the first row. */
const TOP = 16;

export class VirtualList {
  readonly #listeners = new Set<() => void>();
  readonly #measured = new Map<string, number>();
  #rows: readonly Row[] = [];
  #geometry = new Geometry([], TOP);
  #box: HTMLElement | null = null;
  #content: HTMLElement | null = null;
  #boxHeight = 0;
  #sticks = true;
  #anchor = { key: "", index: 0, offset: 0 };
  #lastSeen = "";
  #span = NOTHING;

  readonly span = (): Span => this.#span;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** The box scrolls, the content has the rows. */
  attach(box: HTMLElement, content: HTMLElement): () => void {
    this.#box = box;
    this.#content = content;
    this.#boxHeight = box.clientHeight;
    const scrolled = () => {
      this.#scrolled(box);
    };
    const observer = new ResizeObserver(() => {
      this.#boxHeight = box.clientHeight;
      this.measure();
    });
    observer.observe(box);
    observer.observe(content);
    box.addEventListener("scroll", scrolled, { passive: true });
    return () => {
      observer.disconnect();
      box.removeEventListener("scroll", scrolled);
      this.#box = null;
      this.#content = null;
    };
  }

  setRows(rows: readonly Row[]): void {
    this.#rows = rows;
    this.#measureAll();
    const index = rows.findIndex(({ key }) => key === this.#anchor.key);
    this.#anchor = { ...this.#anchor, index: index < 0 ? this.#anchor.index : index };
    this.#update();
  }

  /** After each drawing: takes the heights that have become known, and puts the window where it belongs. */
  measure(): void {
    let changed = false;
    for (const row of this.#content?.querySelectorAll<HTMLElement>("[data-row]") ?? []) {
      const key = row.dataset.row ?? "";
      const { height } = row.getBoundingClientRect();
      if (Math.abs((this.#measured.get(key) ?? -1) - height) > 0.1) {
        this.#measured.set(key, height);
        changed = true;
      }
    }
    if (changed) {
      this.#measureAll();
    }
    this.#update();
  }

  goToEnd(): void {
    this.#sticks = true;
    this.#update();
  }

  goToStart(): void {
    this.#sticks = false;
    this.#anchor = { key: this.#rows[0]?.key ?? "", index: 0, offset: TOP };
    this.#update();
    if (this.#box !== null) {
      this.#box.scrollTop = 0;
    }
  }

  #scrolled(box: HTMLElement): void {
    // A keyboard that opens shrinks the box, which also scrolls; the person did nothing then.
    if (box.clientHeight === this.#boxHeight) {
      this.#sticks = box.scrollHeight - box.scrollTop - box.clientHeight <= NEAR;
      const index = this.#geometry.indexAt(box.scrollTop);
      const offset = this.#geometry.top(index) - box.scrollTop;
      this.#anchor = { key: this.#rows[index]?.key ?? "", index, offset };
      this.#update();
    }
  }

  #measureAll(): void {
    const heights = this.#rows.map(({ key, guess }) => this.#measured.get(key) ?? guess);
    this.#geometry = new Geometry(heights, TOP);
  }

  #update(): void {
    const span = this.#spanNow();
    if (Object.entries(span).every(([name, value]) => this.#span[name as keyof Span] === value)) {
      this.#place();
    } else {
      // Drawn, and then measured, before anything is painted.
      this.#span = span;
      for (const listener of this.#listeners) {
        listener();
      }
    }
  }

  #spanNow(): Span {
    const { count } = this.#geometry;
    if (count === 0) {
      return { ...NOTHING, before: TOP };
    }
    const top = this.#sticks ? this.#geometry.end - this.#boxHeight : this.#anchorTop();
    const first = this.#geometry.indexAt(top - MARGIN);
    const end = this.#geometry.indexAt(top + this.#boxHeight + MARGIN) + 1;
    const before = this.#geometry.top(first);
    const after = this.#geometry.end - this.#geometry.top(end);
    return { first, end, before, after, atEnd: this.#sticks, unseen: this.#unseen() };
  }

  #unseen(): number {
    const last = this.#rows.length - 1;
    if (this.#sticks || this.#lastSeen === "") {
      this.#lastSeen = this.#rows[last]?.key ?? "";
    }
    const seen = this.#rows.findLastIndex(({ key }) => key === this.#lastSeen);
    return seen < 0 ? 0 : last - seen;
  }

  #anchorTop(): number {
    return this.#geometry.top(this.#anchor.index) - this.#anchor.offset;
  }

  #place(): void {
    // Away from the end, browsers that can do it keep the place better than a script: theirs doesn't stop a smooth scroll.
    if (this.#box !== null && (this.#sticks || !ANCHORS)) {
      const { scrollTop, scrollHeight, clientHeight } = this.#box;
      const wanted = this.#sticks ? scrollHeight - clientHeight : this.#anchorTop();
      if (Math.abs(scrollTop - wanted) > 1) {
        this.#box.scrollTop = wanted;
      }
    }
  }
}

/**
 * The conversation as it is shown: the server's transcript, then what this page has said and not yet found in it. It
 * decides which recorded message is which of ours, so that nothing is shown twice and a retry doesn't say it again.
 * Pure.
 */

import type { RecordedMessage, Sender } from "../api/types";
import { isAnswered, type Exchange } from "./exchange";

export type TimelineItem = {
  /** Stays the same when a message moves from "said here" to "recorded", so that it isn't read out twice. */
  readonly key: string;
  readonly sender: Sender;
  readonly text: string;
  readonly at: Date | null;
  readonly delivery: Delivery;
};

export type Delivery =
  | { readonly state: "done" }
  | { readonly state: "sending" }
  | {
      readonly state: "failed";
      readonly reason: string;
      readonly exchange: Exchange;
    };

const DONE: Delivery = { state: "done" };

export function timeline(recorded: readonly RecordedMessage[], exchanges: readonly Exchange[]): TimelineItem[] {
  const found = findRecorded(recorded, exchanges);
  const keys = new Map<number, string>();
  for (const [key, index] of found) {
    keys.set(index, key);
    if (recorded[index + 1]?.sender === "BOT") {
      keys.set(index + 1, replyKey(key));
    }
  }
  const items = recorded.map(({ id, sender, text, at }, index): TimelineItem => ({
    key: keys.get(index) ?? recordedKey(id, index),
    sender,
    text,
    at,
    delivery: DONE,
  }));
  const others = exchanges.filter(({ key }) => !found.has(key));
  // What failed waits at the end, beside the text box: if it is sent again, that is its place in the transcript.
  const failed = others.filter(isFailed);
  const underWay = others.filter((exchange) => !isFailed(exchange));
  return [...items, ...[...underWay, ...failed].flatMap(unrecorded)];
}

/** The exchanges that the transcript doesn't have (yet). */
export function notRecorded(recorded: readonly RecordedMessage[], exchanges: readonly Exchange[]): Exchange[] {
  const found = findRecorded(recorded, exchanges);
  return exchanges.filter(({ key }) => !found.has(key));
}

/** How many messages the server certainly has, answered ones included that this page hasn't read back yet. */
export function countRecorded(items: readonly TimelineItem[]): number {
  return items.filter(({ delivery }) => delivery.state === "done").length;
}

/** For each exchange that the transcript has: the index of the person's message. */
function findRecorded(recorded: readonly RecordedMessage[], exchanges: readonly Exchange[]): Map<string, number> {
  const found = new Map<string, number>();
  const taken = new Set<number>();
  // Those with an answer certainly are recorded: they choose first among equal texts.
  const answered = exchanges.filter(isAnswered);
  const possible = exchanges.filter((exchange) => !isAnswered(exchange) && mayBeRecorded(exchange));
  for (const exchange of [...answered, ...possible]) {
    const index = recorded.findIndex(
      ({ sender, text }, index) =>
        index >= exchange.after && sender === "USER" && text === exchange.text && !taken.has(index),
    );
    if (index >= 0) {
      found.set(exchange.key, index);
      taken.add(index);
    }
  }
  return found;
}

function isFailed({ progress }: Exchange): boolean {
  return progress.state === "failed";
}

function mayBeRecorded({ progress, uncertain }: Exchange): boolean {
  return progress.state === "sending" || uncertain;
}

function unrecorded(exchange: Exchange): TimelineItem[] {
  const { key, text, saidAt, progress } = exchange;
  const said = { key, sender: "USER", text, at: saidAt } as const;
  switch (progress.state) {
    case "sending":
      return [{ ...said, delivery: { state: "sending" } }];
    case "failed": {
      const { reason } = progress;
      return [{ ...said, delivery: { state: "failed", reason, exchange } }];
    }
    case "answered": {
      const { reply, at } = progress;
      return [
        { ...said, delivery: DONE },
        { key: replyKey(key), sender: "BOT", text: reply, at, delivery: DONE },
      ];
    }
  }
}

/** The greeting is shown before its number is known. */
function recordedKey(id: number | null, index: number): string {
  return index === 0 || id === null ? `place-${index}` : `message-${id}`;
}

function replyKey(key: string): string {
  return `${key}-reply`;
}

/**
 * The conversation as it is shown: the server's transcript, then what this browser has said and not yet found in it.
 * Messages are known by their ids, and merged, never appended. Which recorded message is which of ours is told by order
 * and text; that only decides what is shown meanwhile: whether something is recorded is the server's word alone.
 * Pure.
 */

import type { RecordedMessage, Sender } from "../api/chat";
import type { Exchange } from "./exchange";

export type Item = {
  /** Stays the same when a message moves from "said here" to "recorded". */
  readonly key: string;
  readonly id: number | null;
  readonly sender: Sender;
  readonly text: string;
  readonly at: number | null;
  /** Absent once it is recorded. */
  readonly exchange?: Exchange;
};

/** What recorded messages were called before they had an id. */
export type Names = ReadonlyMap<number, string>;

export function timeline(recorded: readonly RecordedMessage[], exchanges: readonly Exchange[], names: Names): Item[] {
  const found = findRecorded(recorded, exchanges);
  const keys = keysOf(recorded, found);
  const items = recorded.map(({ id, sender, text, at }, index): Item => {
    const key = keys.get(index) ?? (id === null ? undefined : (names.get(id) ?? `message-${id}`));
    return { key: key ?? `place-${index}`, id, sender, text, at };
  });
  const others = exchanges.filter(({ key }) => !found.has(key));
  // What failed waits at the end, beside the text box: if it is sent again, that is its place in the transcript.
  const failed = others.filter(isFailed);
  const underWay = others.filter((exchange) => !isFailed(exchange));
  return [...items, ...[...underWay, ...failed].flatMap(unrecorded)];
}

/** The names that recorded messages go on with, after a transcript was read. */
export function named(recorded: readonly RecordedMessage[], exchanges: readonly Exchange[], names: Names): Names {
  const keys = keysOf(recorded, findRecorded(recorded, exchanges));
  const all = new Map(names);
  for (const [index, key] of keys) {
    const id = recorded[index]?.id;
    if (typeof id === "number") {
      all.set(id, key);
    }
  }
  return all;
}

/** For each exchange that the transcript seems to have: the index of the person's message. */
export function findRecorded(
  recorded: readonly RecordedMessage[],
  exchanges: readonly Exchange[],
): Map<string, number> {
  const found = new Map<string, number>();
  const taken = new Set<number>();
  // Those with an answer certainly are recorded: they choose first among equal texts.
  const answered = exchanges.filter(isAnswered);
  const possible = exchanges.filter((exchange) => !isAnswered(exchange));
  for (const { key, text, afterId } of [...answered, ...possible]) {
    const index = recorded.findIndex(
      (message, index) =>
        message.id !== null &&
        message.id > afterId &&
        message.sender === "USER" &&
        message.text === text &&
        !taken.has(index),
    );
    if (index >= 0) {
      found.set(key, index);
      taken.add(index);
    }
  }
  return found;
}

export function highestId(recorded: readonly RecordedMessage[]): number {
  return recorded.reduce((highest, { id }) => Math.max(highest, id ?? 0), 0);
}

function keysOf(recorded: readonly RecordedMessage[], found: ReadonlyMap<string, number>): Map<number, string> {
  const keys = new Map<number, string>();
  for (const [key, index] of found) {
    keys.set(index, key);
    if (recorded[index + 1]?.sender === "BOT") {
      keys.set(index + 1, replyKey(key));
    }
  }
  return keys;
}

function unrecorded(exchange: Exchange): Item[] {
  const { key, text, saidAt, progress } = exchange;
  if (progress.state !== "answered") {
    return [{ key, id: null, sender: "USER", text, at: saidAt, exchange }];
  }
  return [
    { key, id: null, sender: "USER", text, at: saidAt },
    { key: replyKey(key), id: null, sender: "BOT", text: progress.reply, at: progress.at },
  ];
}

function isAnswered({ progress }: Exchange): boolean {
  return progress.state === "answered";
}

function isFailed({ progress }: Exchange): boolean {
  return progress.state === "failed";
}

function replyKey(key: string): string {
  return `${key}-reply`;
}

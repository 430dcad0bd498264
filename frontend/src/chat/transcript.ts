/** A conversation as a text file, for those who want to keep it. Pure. */

import { format } from "./moment";
import type { Item } from "./timeline";

type Words = {
  readonly you: string;
  readonly bot: string;
  readonly exportHead: (when: string) => string;
};

/** What is recorded, a paragraph each. */
export function transcriptText(items: readonly Item[], now: number, locale: string, words: Words): string {
  const said = items.filter(({ exchange }) => exchange === undefined);
  const paragraphs = said.map(({ sender, text, at }) => {
    const when = at === null ? "" : `${format(at, "sorted", locale)} `;
    return `${when}${sender === "USER" ? words.you : words.bot}:\n${text}`;
  });
  return `${[words.exportHead(format(now, "exact", locale)), ...paragraphs].join("\n\n")}\n`;
}

/** silly-chat-2026-03-01.txt */
export function transcriptName(now: number): string {
  const day = new Date(now);
  const two = (number: number) => String(number).padStart(2, "0");
  return `silly-chat-${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}.txt`;
}

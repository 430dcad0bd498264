/** Which texts may be sent. The server has the same rule and the last word. Pure. */

/** The most characters (code points) that a message may have, after trimming. */
export const MAX_CHARACTERS = 4000;

/** From how many characters on a person sees the count. */
const COUNTED_FROM = 3600;

export type Judged =
  | { readonly state: "blank" }
  | { readonly state: "sendable"; readonly text: string; readonly left?: number }
  | { readonly state: "too-long"; readonly over: number };

export function judge(draft: string): Judged {
  // The server's database has no place for U+0000, and nobody types it on purpose. Half of a surrogate pair is no character.
  const text = trimmed(draft.replaceAll("\0", "").replace(/\p{Surrogate}/gu, "\ufffd"));
  const count = length(text);
  if (count === 0) {
    return { state: "blank" };
  }
  if (count > MAX_CHARACTERS) {
    return { state: "too-long", over: count - MAX_CHARACTERS };
  }
  return count >= COUNTED_FROM
    ? { state: "sendable", text, left: MAX_CHARACTERS - count }
    : { state: "sendable", text };
}

/** As the server does it, to which U+0085 (next line) is a space. A regular expression would take minutes for many spaces. */
function trimmed(text: string): string {
  const isSpace = (at: number) => /[\s\u0085]/.test(text.charAt(at));
  let [start, end] = [0, text.length];
  while (start < end && isSpace(start)) {
    start += 1;
  }
  while (end > start && isSpace(end - 1)) {
    end -= 1;
  }
  return text.slice(start, end);
}

/** In code points, without a list of them: half a megabyte may be pasted. */
function length(text: string): number {
  let count = 0;
  for (let at = 0; at < text.length; at += (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1) {
    count += 1;
  }
  return count;
}

/** The beginning of a text on one line, for lists. */
export function firstWords(text: string, most = 60): string {
  const line = text.replace(/\s+/g, " ").trim();
  const letters = Array.from(line.slice(0, 2 * most + 2));
  return letters.length > most
    ? `${letters
        .slice(0, most - 1)
        .join("")
        .trimEnd()}…`
    : line;
}

/** Which texts may be sent. The server has the same rule and the last word. */

/** The most characters (code points) that a message may have, after trimming. */
export const MAX_CHARACTERS = 4000;

/** From how many characters on a person sees the count. */
const COUNTED_FROM = 3600;

export type Draft =
  | { readonly state: "blank" }
  | { readonly state: "sendable"; readonly text: string; readonly left?: number }
  | { readonly state: "too-long"; readonly over: number };

export function judge(draft: string): Draft {
  // The server's database has no place for U+0000, and nobody types it on purpose. U+0085 (next line) is a space to the server.
  const text = draft.replaceAll("\0", "").replace(/^[\s\u0085]+|[\s\u0085]+$/g, "");
  const count = Array.from(text).length;
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

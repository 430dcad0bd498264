/**
 * Finds web addresses in a message. Only http and https become links: a message can't make the page run anything. What
 * a link leads to is what stands there, never another text. Pure.
 */

export type Part = { readonly text: string; readonly href?: string };

/** Up to white space, quotes, or what would turn the direction of the words around. */
const ADDRESS = /https?:\/\/[^\s<>"'`\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]+/giu;

/** What ends a sentence, not an address. */
const TRAILING = /[.,;:!?…'"”’»*_~|]+$/;

export function parts(text: string): Part[] {
  const found: Part[] = [];
  let from = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = trimmed(match[0]);
    const href = target(address);
    if (href !== null) {
      if (match.index > from) {
        found.push({ text: text.slice(from, match.index) });
      }
      found.push({ text: address, href });
      from = match.index + address.length;
    }
  }
  if (from < text.length) {
    found.push({ text: text.slice(from) });
  }
  return found;
}

function trimmed(address: string): string {
  let rest = address;
  for (;;) {
    const shorter = withoutLoneBracket(rest.replace(TRAILING, ""));
    if (shorter === rest) {
      return rest;
    }
    rest = shorter;
  }
}

/** "(see https://example.org/a_(b))": a bracket that is opened within the address belongs to it. */
function withoutLoneBracket(address: string): string {
  for (const [open, close] of ["()", "[]", "{}"]) {
    if (open !== undefined && close !== undefined && address.endsWith(close)) {
      return address.split(close).length > address.split(open).length ? address.slice(0, -1) : address;
    }
  }
  return address;
}

function target(address: string): string | null {
  try {
    const { protocol, username, password, href } = new URL(address);
    const isWeb = protocol === "https:" || protocol === "http:";
    // https://bank.example@evil.example leads elsewhere than it seems.
    return isWeb && username === "" && password === "" ? href : null;
  } catch {
    return null;
  }
}

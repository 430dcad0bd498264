import { expect, test } from "vitest";

import { parts } from "./links";

const hrefs = (text: string) => parts(text).flatMap(({ href }) => href ?? []);

test.each([
  ["https://example.org", ["https://example.org/"]],
  ["see http://example.org/a?b=c#d, and HTTPS://EXAMPLE.ORG.", ["http://example.org/a?b=c#d", "https://example.org/"]],
  ["(https://example.org/a_(b))", ["https://example.org/a_(b)"]],
  ["„https://example.org/ä“", ["https://example.org/%C3%A4%E2%80%9C"]],
  ["javascript:alert(1) data:text/html,x file:///etc/passwd ftp://a.b", []],
  ["https://bank.example@evil.example/", []],
  ["https://", []],
  ["https://exa\u202emple.org", ["https://exa/"]],
  ["no links", []],
])("%s", (text, expected) => {
  expect(hrefs(text)).toEqual(expected);
});

test.each(["a https://b.example/c. d", "https://a.example https://b.example", "", "x", "\nhttps://a.example\n"])(
  "nothing of %j is lost or added",
  (text) => {
    expect(
      parts(text)
        .map((part) => part.text)
        .join(""),
    ).toBe(text);
  },
);

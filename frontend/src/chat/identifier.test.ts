import { expect, test } from "vitest";

import { isIdentifier, newKey } from "./identifier";

test("keys are UUIDs of version 4, each another one", () => {
  const keys = Array.from({ length: 100 }, newKey);
  expect(new Set(keys).size).toBe(100);
  for (const key of keys) {
    expect(isIdentifier(key)).toBe(true);
    expect(key).toMatch(/^.{14}4.{4}[89ab]/);
  }
});

test.each(["", "nonsense", "6f0d4f0e-6a3c-4c0b-9a57-0f8c4c6d1f3", "../6f0d4f0e-6a3c-4c0b-9a57-0f8c4c6d1f3e"])(
  "%j is none",
  (text) => {
    expect(isIdentifier(text)).toBe(false);
  },
);

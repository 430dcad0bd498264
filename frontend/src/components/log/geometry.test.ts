import { expect, test } from "vitest";

import { Geometry, guess } from "./geometry";

test("tops are sums, from where the first row begins", () => {
  const geometry = new Geometry([10, 20, 30], 5);
  expect([0, 1, 2, 3].map((index) => geometry.top(index))).toEqual([5, 15, 35, 65]);
  expect(geometry.end).toBe(65);
  expect(geometry.top(-1)).toBe(5);
  expect(geometry.top(99)).toBe(65);
});

test.each([
  [-100, 0],
  [0, 0],
  [14, 0],
  [15, 1],
  [34.9, 1],
  [35, 2],
  [1000, 2],
])("at %d is row %i", (offset, index) => {
  expect(new Geometry([10, 20, 30], 5).indexAt(offset)).toBe(index);
});

test("nothing has no rows", () => {
  const geometry = new Geometry([], 5);
  expect(geometry.count).toBe(0);
  expect(geometry.indexAt(10)).toBe(0);
  expect(geometry.end).toBe(5);
});

test("longer texts are guessed higher", () => {
  expect(guess("x".repeat(61), false, 60)).toBeGreaterThan(guess("x", false, 60));
  expect(guess("a\nb", false, 60)).toBeGreaterThan(guess("ab", false, 60));
  expect(guess("a", true, 60)).toBeGreaterThan(guess("a", false, 60));
});

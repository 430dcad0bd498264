import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { Patience } from "./patience";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("pauses grow, and then it is enough", () => {
  expect([1, 2, 3, 4].map((attempt) => Patience.before(attempt, "unreachable", undefined))).toEqual([
    1000,
    2000,
    4000,
    null,
  ]);
});

test("waits as told, within reason", () => {
  expect(Patience.before(1, "unavailable", 2000)).toBe(2000);
  expect(Patience.before(1, "too-many", 7000)).toBe(7000);
  expect(Patience.before(1, "too-many", 3_600_000)).toBe(60_000);
  expect(Patience.before(9, "too-many", 1000)).toBe(1000);
  expect(Patience.before(10, "too-many", 1000)).toBeNull();
});

test("a refusal isn't tried again", () => {
  expect(Patience.before(1, "refused", undefined)).toBeNull();
  expect(Patience.before(1, "unknown-chat", undefined)).toBeNull();
});

test("a wait can be ended, for all who wait", async () => {
  const patience = new Patience();
  let ended = 0;
  for (const ms of [1000, 60_000]) {
    void patience.wait(ms).then(() => (ended += 1));
  }
  await vi.advanceTimersByTimeAsync(999);
  expect(ended).toBe(0);
  patience.end();
  await vi.advanceTimersByTimeAsync(0);
  expect(ended).toBe(2);
});

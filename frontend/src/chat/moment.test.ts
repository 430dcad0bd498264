import { expect, test } from "vitest";

import { shortMoment } from "./moment";

const now = new Date(2026, 2, 1, 12, 0);

test("today's messages have the clock", () => {
  expect(shortMoment(new Date(2026, 2, 1, 0, 5), now, "en-GB")).toBe("00:05");
});

test("earlier ones have the day too", () => {
  expect(shortMoment(new Date(2026, 1, 28, 23, 59), now, "en-GB")).toBe("28 Feb, 23:59");
});

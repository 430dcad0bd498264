import { expect, test } from "vitest";

import { briefly, dayName, format, isSameDay } from "./moment";

const words = { today: "Today", yesterday: "Yesterday" };
const at = (...parts: [number, number, number, number?, number?]) => new Date(...parts).getTime();
const NOW = at(2026, 2, 30, 0, 30);

test.each([
  [at(2026, 2, 30), "Today"],
  [at(2026, 2, 29, 23, 59), "Yesterday"],
  // The night in which clocks are put forward in Europe.
  [at(2026, 2, 29, 0, 1), "Yesterday"],
  [at(2026, 2, 28, 12), "Saturday, March 28"],
  [at(2025, 11, 31), "Wednesday, December 31, 2025"],
])("the day of %i is %s", (moment, name) => {
  expect(dayName(moment, NOW, "en", words)).toBe(name);
});

test("in lists, today has its clock, other days their date", () => {
  expect(briefly(at(2026, 2, 30, 0, 10), NOW, "de")).toBe("00:10");
  expect(briefly(at(2026, 2, 1), NOW, "de")).toBe("1. März");
  expect(briefly(at(2025, 2, 1), NOW, "de")).toBe("1.3.25");
});

test("a day ends at midnight", () => {
  expect(isSameDay(at(2026, 2, 30), at(2026, 2, 30, 23, 59))).toBe(true);
  expect(isSameDay(at(2026, 2, 29, 23, 59), at(2026, 2, 30))).toBe(false);
});

test("the exact time has its seconds", () => {
  expect(format(at(2026, 0, 2, 3, 4), "exact", "en")).toBe("Friday, January 2, 2026 at 3:04:00 AM");
});

import { expect, test } from "vitest";

import { addressOf, placeOf } from "./address";

test.each([
  ["", { name: "last" }],
  ["#", { name: "last" }],
  ["#/", { name: "start" }],
  ["#/chat/", { name: "start" }],
  ["#/elsewhere", { name: "start" }],
  ["#/chat/6F0D", { name: "chat", chatId: "6f0d" }],
  ["#/chat/a%20b", { name: "chat", chatId: "a b" }],
  ["#/chat/%E0%A4%A", { name: "chat", chatId: "%e0%a4%a" }],
])("%j", (hash, place) => {
  expect(placeOf(hash)).toEqual(place);
});

test("an address leads to its chat", () => {
  expect(placeOf(addressOf("a/b"))).toEqual({ name: "chat", chatId: "a/b" });
});

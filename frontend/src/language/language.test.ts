import { expect, test } from "vitest";

import { de } from "./de";
import { en } from "./en";
import { languageOf, speak } from "./language";

test.each([
  [null, ["de-AT", "en"], "de"],
  [null, ["fr", "de"], "de"],
  [null, ["fr"], "en"],
  ["en", ["de"], "en"],
  ["klingon", ["de"], "de"],
])("chosen %j, preferred %j: %s", (chosen, preferred, language) => {
  expect(languageOf(chosen, preferred)).toBe(language);
});

test("dates are written in the person's variety of the language", async () => {
  expect(await speak("en", ["de", "en-GB"])).toMatchObject({ locale: "en-GB", strings: en });
  expect(await speak("de", ["en-GB"])).toMatchObject({ locale: "de", strings: de });
});

test("both languages have the same words, and none is empty", () => {
  expect(Object.keys(de)).toEqual(Object.keys(en));
  for (const words of [de, en]) {
    for (const value of Object.values(words).filter((word) => typeof word === "string")) {
      expect(value.trim()).not.toBe("");
    }
  }
  expect(de.newMessages(1)).not.toBe(de.newMessages(2));
});

/** Which language the page speaks: the one that was chosen, else the browser's first that it knows. */

import { createContext, use } from "react";

import { en, type Strings } from "./en";

export const LANGUAGES = { en: "English", de: "Deutsch" } as const;

export type Language = keyof typeof LANGUAGES;

export type Spoken = {
  readonly language: Language;
  /** For dates: the person's own variety of the language, such as en-GB. */
  readonly locale: string;
  readonly strings: Strings;
};

export function languageOf(chosen: string | null, preferred: readonly string[]): Language {
  for (const tag of chosen === null ? preferred : [chosen, ...preferred]) {
    const language = tag.split("-")[0]?.toLowerCase();
    if (language === "en" || language === "de") {
      return language;
    }
  }
  return "en";
}

/** English is there from the start. */
export async function speak(language: Language, preferred: readonly string[]): Promise<Spoken> {
  const strings = language === "de" ? (await import("./de")).de : en;
  const locale = preferred.find((tag) => languageOf(tag, []) === language && tag.startsWith(language));
  return { language, locale: locale ?? language, strings };
}

export const SpokenContext = createContext<Spoken>({ language: "en", locale: "en", strings: en });

export function useSpoken(): Spoken {
  return use(SpokenContext);
}

export function useStrings(): Strings {
  return use(SpokenContext).strings;
}

/** How the person likes the page: its language, light or dark. Kept by the browser, the same in all windows. */

import { useEffect, useState } from "react";

import { languageOf, speak, type Language, type Spoken } from "../language/language";
import { onChange, type Memory } from "../memory/storage";
import { showTheme, THEME, themeOf, type Theme } from "../window/theme";

export const LANGUAGE = "sillychat.language";

export type Preferences = {
  readonly spoken: Spoken;
  readonly setLanguage: (language: Language) => void;
  readonly theme: Theme;
  readonly setTheme: (theme: Theme) => void;
};

export function usePreferences(memory: Memory, initial: Spoken): Preferences {
  const [theme, setTheme] = useState(() => themeOf(memory.get(THEME)));
  const [spoken, setSpoken] = useState(initial);

  useEffect(() => {
    showTheme(theme);
  }, [theme]);

  useEffect(() => {
    document.documentElement.lang = spoken.language;
  }, [spoken]);

  useEffect(
    () =>
      onChange(({ name, is }) => {
        if (name === THEME) {
          setTheme(themeOf(is));
        } else if (name === LANGUAGE) {
          void change(languageOf(is, navigator.languages));
        }
      }),
    [],
  );

  async function change(language: Language) {
    try {
      setSpoken(await speak(language, navigator.languages));
    } catch {
      // Its words can't be loaded now: the page goes on in the language that it has.
    }
  }

  return {
    spoken,
    setLanguage: (language) => {
      memory.set(LANGUAGE, language);
      void change(language);
    },
    theme,
    setTheme: (chosen) => {
      memory.set(THEME, chosen);
      setTheme(chosen);
    },
  };
}

/** Light or dark: as the system says, unless something was chosen. `public/first.js` does the same before the first paint. */

export const THEMES = ["system", "light", "dark"] as const;

export type Theme = (typeof THEMES)[number];

export const THEME = "sillychat.theme";

export function themeOf(chosen: string | null): Theme {
  return chosen === "light" || chosen === "dark" ? chosen : "system";
}

export function showTheme(theme: Theme): void {
  if (theme === "system") {
    delete document.documentElement.dataset.theme;
  } else {
    document.documentElement.dataset.theme = theme;
  }
}

import { useRef } from "react";

import { LANGUAGES, useSpoken, type Language } from "../language/language";
import { THEMES } from "../window/theme";
import type { Preferences } from "./usePreferences";
import { Icon } from "./Icon";

type Props = {
  readonly preferences: Preferences;
  /** Absent when there is no chat to do it to. */
  readonly onExport: (() => void) | undefined;
  readonly onDelete: (() => void) | undefined;
};

/** What is rarely needed. The browser opens and closes it, with Escape and a click beside it too. */
export function Menu({ preferences, onExport, onDelete }: Props) {
  const { strings, language } = useSpoken();
  const panel = useRef<HTMLDivElement>(null);

  function andClose(act: () => void) {
    return () => {
      panel.current?.hidePopover();
      act();
    };
  }

  return (
    <>
      <button type="button" className="icon-button" popoverTarget="menu" aria-label={strings.menu} title={strings.menu}>
        <Icon name="menu" />
      </button>
      <div ref={panel} id="menu" className="menu" popover="auto" role="group" aria-label={strings.menu}>
        {onExport && (
          <button type="button" className="menu-action" onClick={andClose(onExport)}>
            {strings.export}
          </button>
        )}
        {onDelete && (
          <button type="button" className="menu-action menu-danger" onClick={andClose(onDelete)}>
            {strings.delete}
          </button>
        )}
        {(onExport ?? onDelete) && <hr />}
        <fieldset>
          <legend>{strings.appearance}</legend>
          {THEMES.map((theme) => (
            <label key={theme}>
              <input
                type="radio"
                name="theme"
                checked={preferences.theme === theme}
                onChange={() => {
                  preferences.setTheme(theme);
                }}
              />
              <span>{strings.themes[theme]}</span>
            </label>
          ))}
        </fieldset>
        <fieldset>
          <legend>{strings.language}</legend>
          {Object.entries(LANGUAGES).map(([tag, name]) => (
            <label key={tag} lang={tag}>
              <input
                type="radio"
                name="language"
                checked={language === tag}
                onChange={() => {
                  preferences.setLanguage(tag as Language);
                }}
              />
              <span>{name}</span>
            </label>
          ))}
        </fieldset>
      </div>
    </>
  );
}

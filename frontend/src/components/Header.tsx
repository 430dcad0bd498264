import { useStrings } from "../language/language";
import { Icon } from "./Icon";
import { Menu } from "./Menu";
import type { ComponentProps } from "react";

type Props = ComponentProps<typeof Menu> & {
  /** Absent when there are no chats to list. */
  readonly onChats: (() => void) | undefined;
};

export function Header({ onChats, ...menu }: Props) {
  const strings = useStrings();
  return (
    <header className="header">
      {onChats && (
        <button
          type="button"
          className="icon-button chats-button"
          aria-label={strings.chats}
          title={strings.chats}
          onClick={onChats}
        >
          <Icon name="chats" />
        </button>
      )}
      <h1>{strings.title}</h1>
      <Menu {...menu} />
    </header>
  );
}

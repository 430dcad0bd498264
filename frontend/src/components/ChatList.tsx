import { useSyncExternalStore } from "react";

import type { Chatroom } from "../chat/chatroom";
import { briefly } from "../chat/moment";
import { useSpoken } from "../language/language";
import { addressOf } from "../window/address";
import { useToday } from "../window/useToday";
import { Icon } from "./Icon";
import type { Beginning } from "./useBeginning";

type Props = {
  readonly room: Chatroom;
  readonly current: string | null;
  readonly beginning: Beginning;
  /** Something was chosen. */
  readonly onLeave?: () => void;
};

/** The chats that this browser knows, each a link to it. */
export function ChatList({ room, current, beginning, onLeave }: Props) {
  const { strings, locale } = useSpoken();
  const today = useToday();
  const chats = useSyncExternalStore(room.chats.subscribe, room.chats.all);
  return (
    <nav className="chat-list" aria-label={strings.chats}>
      <button
        type="button"
        className="button new-chat"
        aria-disabled={beginning.busy}
        onClick={() => {
          beginning.begin();
          onLeave?.();
        }}
      >
        <Icon name="plus" />
        {strings.newChat}
      </button>
      <ul role="list">
        {chats.map(({ id, title, at }) => (
          <li key={id}>
            <a dir="auto" href={addressOf(id)} aria-current={id === current ? "page" : undefined} onClick={onLeave}>
              <span className="chat-title">{title === "" ? strings.noWordsYet : title}</span>
              <time dateTime={new Date(at).toISOString()}>{briefly(at, today, locale)}</time>
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}

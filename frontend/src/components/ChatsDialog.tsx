import type { ComponentProps } from "react";

import { useStrings } from "../language/language";
import { ChatList } from "./ChatList";
import { Dialog } from "./Dialog";
import { Icon } from "./Icon";

type Props = Omit<ComponentProps<typeof ChatList>, "onLeave"> & { readonly onClose: () => void };

/** The list of chats where there is no room for it beside the conversation. */
export function ChatsDialog({ onClose, ...list }: Props) {
  const strings = useStrings();
  return (
    <Dialog className="drawer" label={strings.chats} onClose={onClose}>
      <div className="drawer-head">
        <h2>{strings.chats}</h2>
        <button type="button" className="icon-button" aria-label={strings.close} onClick={onClose}>
          <Icon name="close" />
        </button>
      </div>
      <ChatList {...list} onLeave={onClose} />
    </Dialog>
  );
}

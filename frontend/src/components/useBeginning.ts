/** Begins chats: asks the server for one, and shows it with its greeting at once. */

import { useRef, useState } from "react";

import { startChat } from "../api/chat";
import { asApiError, type ApiError } from "../api/errors";
import type { Chatroom } from "../chat/chatroom";
import { addressOf, goTo } from "../window/address";

export type Beginning = {
  /** `instead`: a chat that is no longer there, whose unsent words go into the new one's box. */
  readonly begin: (instead?: string) => void;
  readonly busy: boolean;
  readonly error: ApiError | null;
  /** The chat that was begun last, in this page. */
  readonly begun: string | null;
};

/** `place`: the chat that is shown. That another one couldn't begin is forgotten when the person goes elsewhere. */
export function useBeginning(room: Chatroom, place: string | null): Beginning {
  const [state, setState] = useState<Omit<Beginning, "begin">>({ busy: false, error: null, begun: null });
  const [placeBefore, setPlaceBefore] = useState(place);
  if (place !== placeBefore) {
    setPlaceBefore(place);
    setState({ ...state, error: null });
  }
  const busy = useRef(false);

  async function begin(instead?: string) {
    if (busy.current) {
      return;
    }
    busy.current = true;
    setState((before) => ({ ...before, busy: true }));
    try {
      const started = await startChat();
      room.begun(started, instead === undefined ? "" : room.forget(instead));
      setState({ busy: false, error: null, begun: started.chatId });
      goTo(addressOf(started.chatId));
    } catch (error) {
      setState((before) => ({ ...before, busy: false, error: asApiError(error) }));
    } finally {
      busy.current = false;
    }
  }

  return { ...state, begin: (instead) => void begin(instead) };
}

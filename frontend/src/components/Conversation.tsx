import { useEffect, useRef } from "react";

import { explain } from "../api/errors";
import type { Exchange } from "../chat/exchange";
import type { Chat } from "../chat/useChat";
import { Composer } from "./Composer";
import { MessageLog } from "./MessageLog";
import { Notice } from "./Notice";

type Props = { readonly chat: Chat };

/** An existing chat: its messages, and below them the text box, or why there is none. */
export function Conversation({ chat }: Props) {
  const box = useRef<HTMLTextAreaElement>(null);

  const { begunHere } = chat;
  useEffect(() => {
    // Not after a reload: on a phone the keyboard would cover what the person came back to read.
    if (begunHere) {
      box.current?.focus();
    }
  }, [begunHere]);

  // The pressed button goes away: without this, the keyboard's focus would be nowhere.
  function andWrite(act: (exchange: Exchange) => void) {
    return (exchange: Exchange) => {
      act(exchange);
      box.current?.focus();
    };
  }

  return (
    <>
      <MessageLog
        items={chat.items}
        answering={chat.answering}
        onRetry={andWrite(chat.retry)}
        onEdit={andWrite(chat.edit)}
      />
      {chat.startError !== null && chat.phase.name !== "gone" && (
        <Notice title="A new chat couldn’t begin" action="Retry" onAction={chat.begin} busy={chat.starting}>
          {explain(chat.startError)} This one is still here.
        </Notice>
      )}
      <Foot chat={chat} box={box} />
    </>
  );
}

type FootProps = Props & {
  readonly box: React.RefObject<HTMLTextAreaElement | null>;
};

function Foot({ chat, box }: FootProps) {
  const { phase } = chat;
  switch (phase.name) {
    case "none":
    case "loading":
      return null;
    case "gone":
      return (
        <Notice
          title="This chat is no longer there"
          action="Begin a new chat"
          onAction={chat.begin}
          busy={chat.starting}
        >
          {chat.startError === null
            ? "The server doesn’t know it any more; it may have been deleted. What you hadn’t sent yet goes with you."
            : explain(chat.startError)}
        </Notice>
      );
    case "unreadable":
      return (
        <Notice title="Your chat couldn’t be loaded" action="Retry" onAction={chat.reread}>
          {explain(phase.error)} Nothing is lost.
        </Notice>
      );
    case "open":
      return <Composer box={box} draft={chat.draft} onChange={chat.setDraft} onSay={chat.say} />;
  }
}

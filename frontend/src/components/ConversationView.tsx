import { useEffect, useRef, useState, type RefObject } from "react";

import type { Conversation, View } from "../chat/conversation";
import { useStrings } from "../language/language";
import { Composer } from "./Composer";
import { Announcer } from "./log/Announcer";
import { MessageLog } from "./log/MessageLog";
import { Notice } from "./Notice";
import type { Beginning } from "./useBeginning";

type Props = {
  readonly conversation: Conversation;
  readonly view: View;
  readonly beginning: Beginning;
  readonly onForget: () => void;
};

/** A chat: its messages, and below them the text box, or why there is none. */
export function ConversationView({ conversation, view, beginning, onForget }: Props) {
  const box = useRef<HTMLTextAreaElement>(null);
  const begunHere = beginning.begun === conversation.id;
  // The greeting of a chat that was begun just now is news, too.
  const [since] = useState(() => (begunHere && view.items.length === 1 ? 0 : Date.now()));
  useEffect(() => {
    // Not after a reload: on a phone the keyboard would cover what the person came back to read.
    if (begunHere) {
      box.current?.focus();
    }
  }, [begunHere]);

  useEffect(() => {
    void conversation.lookedAt();
  }, [conversation]);

  // The pressed button goes away: without this, the keyboard's focus would be nowhere.
  const [act] = useState(() => ({
    retry: (key: string) => {
      conversation.retry(key);
      box.current?.focus();
    },
    edit: (key: string) => {
      conversation.edit(key);
      box.current?.focus();
    },
  }));

  return (
    <>
      {view.reading.state === "loading" && view.items.length === 0 ? (
        <Loading />
      ) : (
        <MessageLog items={view.items} answeringSince={view.answeringSince} onRetry={act.retry} onEdit={act.edit} />
      )}
      <Announcer items={view.items} since={since} />
      <Foot conversation={conversation} view={view} beginning={beginning} onForget={onForget} box={box} />
    </>
  );
}

/** It appears late, so that a quick answer shows no flicker. */
function Loading() {
  const strings = useStrings();
  return (
    <p className="middle loading" role="status">
      {strings.loading}
    </p>
  );
}

type FootProps = Props & { readonly box: RefObject<HTMLTextAreaElement | null> };

function Foot({ conversation, view, beginning, onForget, box }: FootProps) {
  const strings = useStrings();
  const { reading, items, draft } = view;
  const { error } = beginning;
  if (reading.state === "gone") {
    const again = {
      label: strings.beginNew,
      act: () => {
        beginning.begin(conversation.id);
      },
      busy: beginning.busy,
    };
    return (
      <Notice title={strings.gone} actions={[again, { label: strings.forget, act: onForget }]}>
        {error === null ? strings.goneWhy : strings.reasons[error.failure]}
      </Notice>
    );
  }
  const readAgain = { label: strings.retry, act: () => void conversation.read() };
  const beginAgain = {
    label: strings.retry,
    act: () => {
      beginning.begin();
    },
    busy: beginning.busy,
  };
  return (
    <>
      {error !== null && (
        <Notice title={strings.nextFailed} actions={[beginAgain]}>
          {strings.reasons[error.failure]} {strings.stillHere}
        </Notice>
      )}
      {reading.state === "unreadable" && (
        <Notice title={strings.unreadable} actions={[readAgain]}>
          {strings.reasons[reading.error.failure]} {items.length > 0 ? strings.mayBeOld : strings.nothingLost}
        </Notice>
      )}
      <Composer
        box={box}
        draft={draft}
        onChange={(text) => {
          conversation.setDraft(text);
        }}
        onSay={() => {
          conversation.say();
        }}
      />
    </>
  );
}

import { useEffect, useState, useSyncExternalStore } from "react";

import type { Chatroom } from "./chat/chatroom";
import type { Conversation } from "./chat/conversation";
import { Banners } from "./components/Banners";
import { ChatList } from "./components/ChatList";
import { ConversationView } from "./components/ConversationView";
import { Header } from "./components/Header";
import { useToast } from "./components/toast";
import { useBeginning, type Beginning } from "./components/useBeginning";
import { useLater, type Later } from "./components/useLater";
import type { Preferences } from "./components/usePreferences";
import { Welcome } from "./components/Welcome";
import { useSpoken } from "./language/language";
import type { Memory } from "./memory/storage";
import { addressOf, placeOf, replaceBy, START, useHash } from "./window/address";
import { download } from "./window/download";

type Props = {
  readonly memory: Memory;
  readonly room: Chatroom;
  readonly preferences: Preferences;
};

/** Which window is before the page, and before which chat. */
type Shown = { readonly name: "chats" | "delete"; readonly later: Later; readonly chatId: string | null } | null;

/** The page: a header, the chats, and the one that the address names. */
export function App({ memory, room, preferences }: Props) {
  const { strings, language, locale } = useSpoken();
  const say = useToast();
  const chats = useSyncExternalStore(room.chats.subscribe, room.chats.all);
  const chatId = useChatId(chats[0]?.id);
  const beginning = useBeginning(room, chatId);
  const withLater = useLater();
  const [shown, setShown] = useState<Shown>(null);
  const close = () => {
    setShown(null);
  };
  const show = (name: "chats" | "delete") => () => {
    withLater((later) => {
      setShown({ name, later, chatId });
    });
  };
  if (shown !== null && shown.chatId !== chatId) {
    // The person went back or forward: the question was about the chat that was there.
    close();
  }

  useEffect(() => room.attend(), [room]);
  useEffect(() => {
    const title = chats.find(({ id }) => id === chatId)?.title ?? "";
    document.title = title === "" ? strings.title : `${title} · ${strings.title}`;
  }, [chats, chatId, strings]);

  /** Away from a chat that is no more. */
  function leave(gone: string) {
    close();
    room.forget(gone);
    replaceBy(START);
  }

  /** Saves the transcript as the server has it; while it can't be reached, as it was when this page read it. */
  async function exportChat(exported: string, { transcriptName, transcriptText }: Later) {
    const conversation = room.conversation(exported);
    await conversation.read();
    const { items, reading } = conversation.view();
    if (reading.state === "confirmed") {
      download(transcriptName(Date.now()), transcriptText(items, Date.now(), locale, strings));
    } else {
      say(strings.exportFailed);
    }
  }

  const list = { room, current: chatId, beginning };
  return (
    <div className="page" lang={language}>
      {chatId !== null && (
        <a
          className="skip"
          href="#main"
          onClick={(event) => {
            // The address names the chat, not a place in the page.
            event.preventDefault();
            (document.getElementById("message") ?? document.getElementById("main"))?.focus();
          }}
        >
          {strings.skip}
        </a>
      )}
      <Header
        preferences={preferences}
        onChats={chats.length === 0 ? undefined : show("chats")}
        onExport={
          chatId === null
            ? undefined
            : () => {
                withLater((later) => void exportChat(chatId, later));
              }
        }
        onDelete={chatId === null ? undefined : show("delete")}
      />
      <Banners memory={memory} />
      <div className="body">
        {chats.length > 0 && (
          <div className="side">
            <ChatList {...list} />
          </div>
        )}
        <main id="main" className="main" tabIndex={-1}>
          {chatId === null ? (
            <Welcome beginning={beginning} />
          ) : (
            <OpenChat key={chatId} conversation={room.conversation(chatId)} beginning={beginning} onLeave={leave} />
          )}
        </main>
      </div>
      {shown?.name === "chats" && <shown.later.ChatsDialog {...list} onClose={close} />}
      {shown?.name === "delete" && chatId !== null && (
        <shown.later.DeleteDialog
          chatId={chatId}
          onClose={close}
          onDeleted={() => {
            leave(chatId);
            say(strings.deleted);
          }}
        />
      )}
    </div>
  );
}

type OpenChatProps = {
  readonly conversation: Conversation;
  readonly beginning: Beginning;
  readonly onLeave: (chatId: string) => void;
};

function OpenChat({ conversation, beginning, onLeave }: OpenChatProps) {
  const view = useSyncExternalStore(conversation.subscribe, conversation.view);
  return (
    <ConversationView
      conversation={conversation}
      view={view}
      beginning={beginning}
      onForget={() => {
        onLeave(conversation.id);
      }}
    />
  );
}

/** The chat that the address names; if it names nothing, the one that was used last, which it names then. */
function useChatId(last: string | undefined): string | null {
  const place = placeOf(useHash());
  const restored = place.name === "last" ? last : undefined;
  useEffect(() => {
    if (restored !== undefined) {
      replaceBy(addressOf(restored));
    }
  }, [restored]);
  return place.name === "chat" ? place.chatId : (restored ?? null);
}

import { useOnline } from "./chat/useOnline";
import { useChat } from "./chat/useChat";
import { Conversation } from "./components/Conversation";
import { Header } from "./components/Header";
import { Loading } from "./components/Loading";
import { OfflineNotice } from "./components/OfflineNotice";
import { Welcome } from "./components/Welcome";

/** The page: a header, and the chat in the state that it is in. */
export function App() {
  const chat = useChat();
  const online = useOnline();
  const { phase } = chat;
  return (
    <div className="page">
      <Header onNewChat={phase.name === "open" ? chat.begin : undefined} busy={chat.starting || chat.answering} />
      {!online && <OfflineNotice />}
      <main className="main">
        {phase.name === "none" && <Welcome onBegin={chat.begin} busy={chat.starting} error={chat.startError} />}
        {phase.name === "loading" && <Loading />}
        {phase.name !== "none" && phase.name !== "loading" && <Conversation key={chat.chatId} chat={chat} />}
      </main>
    </div>
  );
}

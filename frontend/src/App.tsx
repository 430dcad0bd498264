import { useChat } from "./chat/useChat";
import { Composer } from "./components/Composer";
import { Conversation } from "./components/Conversation";
import { Header } from "./components/Header";
import { Welcome } from "./components/Welcome";

export function App() {
  const chat = useChat();
  return (
    <>
      <Header onNewChat={chat.state === "none" ? undefined : chat.leave} />
      <main>
        {chat.state === "none" && (
          <Welcome
            title="Say something silly."
            text="A bot answers. It means well."
            error={chat.error}
            action={chat.isStarting ? "Beginning ..." : "Begin chat"}
            isBusy={chat.isStarting}
            onAction={chat.begin}
          />
        )}
        {chat.state === "lost" && (
          <Welcome
            title="This chat is gone."
            text="The server no longer knows the conversation that this browser remembers. It may have been deleted."
            action="Start anew"
            onAction={chat.leave}
          />
        )}
        {chat.state === "unreachable" && (
          <Welcome
            title="The chat could not be loaded."
            text="Your conversation is kept; try again in a moment."
            error={chat.error}
            action="Try again"
            onAction={chat.reload}
          />
        )}
        {chat.state === "loading" && <p className="notice">Loading your chat ...</p>}
        {chat.state === "open" && (
          <>
            <Conversation lines={chat.lines} isReplying={chat.isReplying} onRetry={chat.retry} />
            <Composer onSend={chat.send} />
          </>
        )}
      </main>
    </>
  );
}

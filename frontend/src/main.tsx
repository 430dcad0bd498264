import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App } from "./App";
import { Chatroom } from "./chat/chatroom";
import { ErrorBoundary } from "./components/ErrorBoundary";
import { Toasts } from "./components/toast";
import { LANGUAGE, usePreferences } from "./components/usePreferences";
import { languageOf, speak, SpokenContext, type Spoken } from "./language/language";
import { takeOverFormer } from "./memory/former";
import { openMemory } from "./memory/storage";
import { isOnline } from "./window/useOnline";
import "./styles/tokens.css";
import "./styles/page.css";
import "./styles/chat.css";

const memory = openMemory();
// Before anything reads what is kept.
takeOverFormer(memory, Date.now());
const room = new Chatroom(memory, isOnline);

function Page({ initial }: { readonly initial: Spoken }) {
  const preferences = usePreferences(memory, initial);
  return (
    <SpokenContext value={preferences.spoken}>
      <ErrorBoundary strings={preferences.spoken.strings}>
        <Toasts>
          <App memory={memory} room={room} preferences={preferences} />
        </Toasts>
      </ErrorBoundary>
    </SpokenContext>
  );
}

/** Not at the top of the module: scripts that are loaded later share parts of this one, and would wait for it for ever. */
async function begin(root: HTMLElement) {
  const preferred = navigator.languages;
  const language = languageOf(memory.get(LANGUAGE), preferred);
  const initial = await speak(language, preferred).catch(() => speak("en", preferred));
  createRoot(root).render(
    <StrictMode>
      <Page initial={initial} />
    </StrictMode>,
  );
}

const root = document.getElementById("root");
if (root === null) {
  throw new Error("index.html has no element #root");
}
void begin(root);

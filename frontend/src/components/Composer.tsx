import { useState, type SubmitEvent, type KeyboardEvent } from "react";

import { MAX_TEXT_LENGTH } from "../api/client";
import { characters, refusal } from "../chat/conversation";

/** From here on the characters are counted. */
const COUNT_FROM = MAX_TEXT_LENGTH - 500;

export function Composer({ onSend }: { onSend: (text: string) => void }) {
  const [text, setText] = useState("");
  const length = characters(text.trim());
  const refused = refusal(text);

  const submit = () => {
    if (refused !== undefined) return;
    onSend(text);
    setText("");
  };

  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    submit();
  };

  const onKeyDown = (event: KeyboardEvent) => {
    // Enter that ends the choice of an input method's word is not meant for us.
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    submit();
  };

  return (
    <form className="composer" onSubmit={onSubmit}>
      <div className="field">
        <textarea
          aria-label="Message"
          aria-describedby="composer-hint"
          aria-invalid={refused === "too-long"}
          placeholder="Write a message"
          rows={1}
          dir="auto"
          enterKeyHint="send"
          autoComplete="off"
          autoFocus
          value={text}
          onChange={(event) => {
            setText(event.target.value);
          }}
          onKeyDown={onKeyDown}
        />
        <button type="submit" disabled={refused !== undefined}>
          Send
        </button>
      </div>
      <p id="composer-hint" className={refused === "too-long" ? "hint error" : "hint"} aria-live="polite">
        {length >= COUNT_FROM
          ? `${length} of ${MAX_TEXT_LENGTH} characters${refused === "too-long" ? ": too long to send" : ""}`
          : "Enter sends, Shift+Enter breaks the line"}
      </p>
    </form>
  );
}

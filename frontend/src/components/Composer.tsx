import type { ChangeEvent, KeyboardEvent, RefObject, SubmitEvent } from "react";

import { judge, MAX_CHARACTERS, type Judged } from "../chat/text";
import type { Strings } from "../language/en";
import { useStrings } from "../language/language";
import { Icon } from "./Icon";

type Props = {
  readonly box: RefObject<HTMLTextAreaElement | null>;
  readonly draft: string;
  readonly onChange: (draft: string) => void;
  readonly onSay: () => void;
};

/** The key code of a key that an input method has taken. */
const IN_COMPOSITION = 229;

/** Where the person writes. Enter sends, Shift+Enter breaks the line. */
export function Composer({ box, draft, onChange, onSay }: Props) {
  const strings = useStrings();
  const judged = judge(draft);
  const sendable = judged.state === "sendable";
  const tooLong = judged.state === "too-long";

  function send() {
    if (sendable) {
      onSay();
    }
    box.current?.focus();
  }

  function onKeyDown(event: KeyboardEvent) {
    // Enter that ends the composing of a word (Japanese, Chinese, Korean) is not meant for us.
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- Safari says it in no other way
    const composing = event.nativeEvent.isComposing || event.keyCode === IN_COMPOSITION;
    if (event.key === "Enter" && !event.shiftKey && !composing) {
      event.preventDefault();
      send();
    }
  }

  return (
    <form
      className="composer"
      onSubmit={(event: SubmitEvent) => {
        event.preventDefault();
        send();
      }}
    >
      <label htmlFor="message" className="hidden-label">
        {strings.message}
      </label>
      <textarea
        ref={box}
        id="message"
        rows={1}
        dir="auto"
        enterKeyHint="send"
        placeholder={strings.placeholder}
        value={draft}
        onChange={(event: ChangeEvent<HTMLTextAreaElement>) => {
          onChange(event.target.value);
        }}
        onKeyDown={onKeyDown}
        aria-invalid={tooLong}
        aria-describedby="message-length"
      />
      <button type="submit" className="button send" aria-disabled={!sendable} aria-label={strings.send}>
        <span>{strings.send}</span>
        <Icon name="send" />
      </button>
      <p id="message-length" className="length">
        {lengthNote(judged, strings)}
      </p>
      {/* Said once, not at every key press as the count would be. */}
      <p role="status" className="hidden-label">
        {tooLong && strings.tooLong(MAX_CHARACTERS)}
      </p>
    </form>
  );
}

function lengthNote(judged: Judged, strings: Strings): string {
  if (judged.state === "too-long") {
    return strings.over(judged.over, MAX_CHARACTERS);
  }
  return judged.state === "sendable" && judged.left !== undefined ? strings.left(judged.left) : "";
}

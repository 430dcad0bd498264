/** The place of the bot's coming reply. Only to be seen: the reply itself is read out. */
export function TypingIndicator() {
  return (
    <div className="typing" aria-hidden="true" data-testid="typing">
      <span />
      <span />
      <span />
    </div>
  );
}

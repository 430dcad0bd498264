type Props = {
  /** Absent when there is no chat to leave. */
  readonly onNewChat?: (() => void) | undefined;
  /** A chat is beginning, or a message is under way, which would be left behind. */
  readonly busy: boolean;
};

export function Header({ onNewChat, busy }: Props) {
  return (
    <header className="header">
      <h1>Silly chat</h1>
      {onNewChat !== undefined && (
        <button
          type="button"
          className="button button-quiet"
          onClick={() => {
            if (!busy) {
              onNewChat();
            }
          }}
          aria-disabled={busy}
        >
          New chat
        </button>
      )}
    </header>
  );
}

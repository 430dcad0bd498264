export function Header({ onNewChat }: { onNewChat: (() => void) | undefined }) {
  return (
    <header>
      <h1>Silly chat</h1>
      {onNewChat && (
        <button type="button" className="quiet" onClick={onNewChat}>
          New chat
        </button>
      )}
    </header>
  );
}

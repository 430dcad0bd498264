import { explain } from "../api/errors";

type Props = {
  readonly onBegin: () => void;
  readonly busy: boolean;
  readonly error: Error | null;
};

/** Before the first chat. */
export function Welcome({ onBegin, busy, error }: Props) {
  return (
    <div className="middle">
      {error === null ? (
        <p className="lead">Say something to the bot. It always has an answer, if rarely a wise one.</p>
      ) : (
        <div className="lead" role="alert">
          <p className="notice-title">The chat couldn’t begin</p>
          <p>{explain(error)}</p>
        </div>
      )}
      {/* One button for both: the keyboard's focus stays where it is. */}
      <button type="button" className="button button-large" onClick={onBegin} aria-disabled={busy}>
        {error === null ? "Begin chat" : "Retry"}
      </button>
    </div>
  );
}

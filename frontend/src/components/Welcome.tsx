import { useStrings } from "../language/language";
import type { Beginning } from "./useBeginning";

/** Before a chat. */
export function Welcome({ beginning: { begin, busy, error } }: { readonly beginning: Beginning }) {
  const strings = useStrings();
  return (
    <div className="middle">
      <svg className="welcome-picture" viewBox="0 0 120 84" aria-hidden="true">
        <path
          className="picture-bot"
          d="M14 6h58a12 12 0 0 1 12 12v18a12 12 0 0 1-12 12H30L14 60V48h-2A12 12 0 0 1 2 36V18A12 12 0 0 1 14 6z"
        />
        <path
          className="picture-person"
          d="M58 34h46a12 12 0 0 1 12 12v12a12 12 0 0 1-10 12v12L90 70H58a12 12 0 0 1-12-12V46a12 12 0 0 1 12-12z"
        />
        <path className="picture-face" d="M70 48v3M92 48v3M72 58q9 7 18 0" />
      </svg>
      {error === null ? (
        <p className="lead">{strings.welcome}</p>
      ) : (
        <div className="lead" role="alert">
          <p className="notice-title">{strings.beginFailed}</p>
          <p>{strings.reasons[error.failure]}</p>
        </div>
      )}
      {/* One button for both: the keyboard's focus stays where it is. */}
      <button
        type="button"
        className="button button-large"
        onClick={() => {
          begin();
        }}
        aria-disabled={busy}
      >
        {error === null ? strings.begin : strings.retry}
      </button>
    </div>
  );
}

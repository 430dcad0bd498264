import type { ReactNode } from "react";

type Props = {
  readonly title: string;
  readonly children: ReactNode;
  readonly action: string;
  readonly onAction: () => void;
  readonly busy?: boolean;
};

/** Something went wrong: what, and the one thing to do about it. */
export function Notice({ title, children, action, onAction, busy }: Props) {
  return (
    <div className="notice" role="alert">
      <p className="notice-title">{title}</p>
      <p>{children}</p>
      <button
        type="button"
        className="button"
        onClick={onAction}
        // Not "disabled", which would take the keyboard's focus away.
        aria-disabled={busy === true}
      >
        {action}
      </button>
    </div>
  );
}

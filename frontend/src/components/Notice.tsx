import type { ReactNode } from "react";

type Action = { readonly label: string; readonly act: () => void; readonly busy?: boolean };

type Props = {
  readonly title: string;
  readonly children: ReactNode;
  /** The first one is what most people want. */
  readonly actions: readonly Action[];
};

/** Something went wrong: what, and what to do about it. */
export function Notice({ title, children, actions }: Props) {
  return (
    <div className="notice" role="alert">
      <p className="notice-title">{title}</p>
      <p>{children}</p>
      <div className="notice-actions">
        {actions.map(({ label, act, busy }, index) => (
          <button
            key={label}
            type="button"
            className={index === 0 ? "button" : "button button-plain"}
            onClick={act}
            // Not "disabled", which would take the keyboard's focus away.
            aria-disabled={busy === true}
          >
            {label}
          </button>
        ))}
      </div>
    </div>
  );
}

import { useLayoutEffect, useRef, type ReactNode } from "react";

type Props = {
  readonly className: string;
  readonly label: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
};

/** A window in front of the page. The browser keeps the focus in it, closes it with Escape and gives the focus back. */
export function Dialog({ className, label, onClose, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  // A layout effect: closed only after it has left the page, a window can't give the focus back any more.
  useLayoutEffect(() => {
    const shown = dialog.current;
    shown?.showModal();
    return () => {
      shown?.close();
    };
  }, []);
  return (
    // A click beside the window closes it; by keyboard, Escape does.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions, jsx-a11y/click-events-have-key-events
    <dialog
      ref={dialog}
      className={className}
      aria-label={label}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={({ target }) => {
        if (target === dialog.current) {
          onClose();
        }
      }}
    >
      {children}
    </dialog>
  );
}

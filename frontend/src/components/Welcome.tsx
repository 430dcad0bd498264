interface Props {
  title: string;
  text: string;
  error?: string | undefined;
  action: string;
  isBusy?: boolean;
  onAction: () => void;
}

/** The page when there is no conversation to show: one thing to read, one to do. */
export function Welcome({ title, text, error, action, isBusy = false, onAction }: Props) {
  return (
    <section className="welcome">
      <img src="/icon.svg" alt="" width="72" height="72" />
      <h2>{title}</h2>
      <p>{text}</p>
      {error && (
        <p className="error" role="alert">
          {error}
        </p>
      )}
      <button type="button" onClick={onAction} disabled={isBusy}>
        {action}
      </button>
    </section>
  );
}

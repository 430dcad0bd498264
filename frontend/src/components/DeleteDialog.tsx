import { useState } from "react";

import { deleteChat } from "../api/chat";
import { asApiError, type ApiError } from "../api/errors";
import { useStrings } from "../language/language";
import { Dialog } from "./Dialog";

type Props = {
  readonly chatId: string;
  readonly onDeleted: () => void;
  readonly onClose: () => void;
};

/** Asks whether a chat is really to be deleted, and deletes it. */
export function DeleteDialog({ chatId, onDeleted, onClose }: Props) {
  const strings = useStrings();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError | null>(null);

  async function remove() {
    setBusy(true);
    try {
      await deleteChat(chatId);
      onDeleted();
    } catch (thrown) {
      setBusy(false);
      setError(asApiError(thrown));
    }
  }

  return (
    <Dialog className="dialog" label={strings.deleteQuestion} onClose={onClose}>
      <h2>{strings.deleteQuestion}</h2>
      <p>{strings.deleteMeaning}</p>
      <div role="alert">
        {error !== null && (
          <p className="dialog-error">
            {strings.deleteFailed} {strings.reasons[error.failure]}
          </p>
        )}
      </div>
      <div className="dialog-actions">
        <button type="button" className="button button-plain" onClick={onClose}>
          {strings.cancel}
        </button>
        <button
          type="button"
          className="button button-danger"
          aria-disabled={busy}
          onClick={() => {
            if (!busy) {
              void remove();
            }
          }}
        >
          {strings.deleteYes}
        </button>
      </div>
    </Dialog>
  );
}

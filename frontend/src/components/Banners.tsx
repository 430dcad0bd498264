import { useState, useSyncExternalStore } from "react";

import { useStrings } from "../language/language";
import type { Memory } from "../memory/storage";
import { useOnline } from "../window/useOnline";

/** What holds for the whole page: no network, and a browser that doesn't keep what it is given. */
export function Banners({ memory }: { readonly memory: Memory }) {
  const strings = useStrings();
  const online = useOnline();
  const trouble = useSyncExternalStore(memory.subscribe, memory.trouble);
  const [dismissed, setDismissed] = useState("none");
  return (
    // Always there: a region that comes together with its words isn't read out.
    <div role="status">
      {!online && <p className="banner">{strings.offline}</p>}
      {trouble !== "none" && trouble !== dismissed && (
        <p className="banner">
          {trouble === "disabled" ? strings.keepsNothing : strings.storageFull}
          <button
            type="button"
            className="button button-small button-plain"
            onClick={() => {
              setDismissed(trouble);
            }}
          >
            {strings.dismiss}
          </button>
        </p>
      )}
    </div>
  );
}

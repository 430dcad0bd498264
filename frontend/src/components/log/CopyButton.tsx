import { useStrings } from "../../language/language";
import { copyText } from "../../window/copy";
import { useToast } from "../toast";
import { Icon } from "../Icon";

export function CopyButton({ text }: { readonly text: string }) {
  const strings = useStrings();
  const say = useToast();

  async function copy() {
    say((await copyText(text)) ? strings.copied : strings.copyFailed);
  }

  return (
    <button
      type="button"
      className="icon-button copy"
      aria-label={strings.copy}
      title={strings.copy}
      onClick={() => {
        void copy();
      }}
    >
      <Icon name="copy" />
    </button>
  );
}

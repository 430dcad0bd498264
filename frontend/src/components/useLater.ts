/** Loads what few visits need: soon after the page is there, so that it is there without a network, too. */

import { useEffect } from "react";

import { useStrings } from "../language/language";
import { useToast } from "./toast";

const SOON_MS = 1500;

export type Later = typeof import("./later");

/** Does something with it, or says that it can't be had. */
export function useLater(): (act: (later: Later) => void) => void {
  const strings = useStrings();
  const say = useToast();
  useEffect(() => {
    const timer = setTimeout(() => {
      // If it fails now, it is tried again when it is needed.
      import("./later").catch(() => undefined);
    }, SOON_MS);
    return () => {
      clearTimeout(timer);
    };
  }, []);
  return (act) => {
    import("./later").then(act, () => {
      say(strings.reasons.unreachable);
    });
  };
}

/**
 * Sends what was said, one after the other, so that the server records it in the order of the page. A second attempt
 * first looks into the transcript: what has arrived is not said again.
 */

import { useMutation, useQueryClient } from "@tanstack/react-query";

import { sendMessage } from "../api/chat";
import { explain, isRefusal } from "../api/errors";
import type { Exchange, Step } from "./exchange";
import { notRecorded } from "./timeline";
import { transcriptOptions } from "./useTranscript";

type Attempt = {
  readonly chatId: string;
  readonly exchange: Exchange;
};

/**
 * `exchanges` gives all of the page's as they are when it is called: together they decide which recorded message is
 * whose, and attempts before this one may have changed them.
 */
export function useSending(exchanges: () => readonly Exchange[], dispatch: (step: Step) => void) {
  const queryClient = useQueryClient();

  async function hasArrived({ chatId, exchange }: Attempt) {
    const options = transcriptOptions(chatId);
    // A reading under way may have begun before the lost attempt was recorded.
    await queryClient.cancelQueries({ queryKey: options.queryKey });
    const recorded = await queryClient.query({ ...options, staleTime: 0, retry: false });
    return !notRecorded(recorded, exchanges()).some(({ key }) => key === exchange.key);
  }

  return useMutation({
    scope: { id: "said" },
    /** The reply; `null` if the transcript, read anew, has it. */
    mutationFn: async (attempt: Attempt): Promise<string | null> => {
      const { chatId, exchange } = attempt;
      return exchange.uncertain && (await hasArrived(attempt))
        ? null
        : sendMessage(chatId, exchange.text, exchange.key);
    },
    onSuccess: (reply, { exchange }) => {
      if (reply !== null) {
        dispatch({ type: "answered", key: exchange.key, reply, at: new Date() });
      }
    },
    onError: (error, { chatId, exchange }) => {
      dispatch({ type: "failed", key: exchange.key, reason: explain(error), uncertain: !isRefusal(error) });
      // It may have been recorded, or the chat may be gone: the transcript knows.
      void queryClient.invalidateQueries({ queryKey: transcriptOptions(chatId).queryKey });
    },
  });
}

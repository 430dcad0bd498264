/** Begins a chat: asks the server for one, and has its greeting on the page at once. */

import { useMutation, useQueryClient } from "@tanstack/react-query";

import { startChat } from "../api/chat";
import type { StartedChat } from "../api/types";
import { transcriptOptions, type Transcript } from "./useTranscript";

export function useStarting(onStarted: (chatId: string) => void) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: startChat,
    onSuccess: ({ chatId, reply }: StartedChat) => {
      const greeting: Transcript[number] = { id: null, sender: "BOT", text: reply, at: new Date() };
      queryClient.setQueryData(transcriptOptions(chatId).queryKey, [greeting]);
      onStarted(chatId);
    },
  });
}

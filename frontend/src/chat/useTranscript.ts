/** What the server has recorded of a chat, kept fresh while the page is looked at. */

import { queryOptions, skipToken, useQuery, type UseQueryResult } from "@tanstack/react-query";

import { fetchTranscript } from "../api/chat";
import { isRefusal, isUnknownChat } from "../api/errors";
import type { RecordedMessage } from "../api/types";

const RETRIES = 2;
const FRESH_MS = 10_000;

export type Transcript = readonly RecordedMessage[];

export function transcriptOptions(chatId: string | null) {
  return queryOptions<Transcript>({
    queryKey: ["transcript", chatId],
    queryFn: chatId === null ? skipToken : () => fetchTranscript(chatId),
    staleTime: FRESH_MS,
    gcTime: Infinity,
    // A chat that is gone stays gone.
    refetchOnWindowFocus: ({ state }) => !isUnknownChat(state.error),
    retry: (failures, error) => failures < RETRIES && !isRefusal(error),
  });
}

export function useTranscript(chatId: string | null): UseQueryResult<Transcript> {
  return useQuery(transcriptOptions(chatId));
}

// One conversation: ties the rules to the server and to the browser's storage.

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useState } from "react";

import { ApiError, fetchTranscript, sendMessage, startChat } from "../api/client";
import { hasArrived, lines, type Line, type Pending } from "./conversation";
import { rememberChat, rememberedChat } from "./storage";

export interface Chat {
  /** "none": no chat yet; "loading": the transcript is on its way; "lost": the server doesn't know the chat. */
  state: "none" | "loading" | "open" | "lost" | "unreachable";
  lines: Line[];
  isReplying: boolean;
  isStarting: boolean;
  /** Why the last begin or the transcript failed. */
  error: string | undefined;
  begin: () => void;
  leave: () => void;
  send: (text: string) => void;
  retry: (key: string) => void;
  reload: () => void;
}

export function useChat(): Chat {
  const client = useQueryClient();
  const [chatId, setChatId] = useState(rememberedChat);
  const [pending, setPending] = useState<Pending[]>([]);

  const transcript = useQuery({
    queryKey: ["transcript", chatId],
    queryFn: () => fetchTranscript(chatId ?? ""),
    enabled: chatId !== null,
  });

  const open = useCallback((id: string | null) => {
    rememberChat(id);
    setPending([]);
    setChatId(id);
  }, []);

  const start = useMutation({
    mutationFn: startChat,
    onSuccess: ({ chat_id: id }) => {
      open(id);
    },
  });

  const update = (key: string, change: Partial<Pending>) => {
    setPending((all) => all.map((one) => (one.key === key ? { ...one, ...change } : one)));
  };

  const post = useMutation({
    // One after the other: the transcript keeps the order in which they were written.
    scope: { id: "messages" },
    mutationFn: async ({ id, one, isRetry }: { id: string; one: Pending; isRetry: boolean }) => {
      const queryKey = ["transcript", id];
      if (isRetry) {
        const known = await client.query({ queryKey, queryFn: () => fetchTranscript(id), staleTime: 0 });
        if (hasArrived(known, one)) return;
      }
      await sendMessage(id, one.text);
      await client.invalidateQueries({ queryKey });
    },
    onSuccess: (_, { one }) => {
      setPending((all) => all.filter(({ key }) => key !== one.key));
    },
    onError: (error, { one }) => {
      update(one.key, { state: "failed", error: error.message });
    },
  });

  const submit = (one: Pending, isRetry: boolean) => {
    if (chatId !== null) post.mutate({ id: chatId, one, isRetry });
  };

  const send = (text: string) => {
    const one: Pending = {
      key: crypto.randomUUID(),
      text: text.trim(),
      at: new Date().toISOString(),
      after: transcript.data?.length ?? 0,
      state: "sending",
    };
    setPending((all) => [...all, one]);
    submit(one, false);
  };

  const retry = (key: string) => {
    const one = pending.find((candidate) => candidate.key === key);
    if (one === undefined) return;
    update(key, { state: "sending", error: "" });
    submit(one, true);
  };

  return {
    state: state(chatId, transcript),
    lines: lines(transcript.data ?? [], pending),
    isReplying: pending.some((one) => one.state === "sending"),
    isStarting: start.isPending,
    error: (start.error ?? transcript.error)?.message,
    begin: () => {
      start.mutate();
    },
    leave: () => {
      start.reset();
      open(null);
    },
    send,
    retry,
    reload: () => void transcript.refetch(),
  };
}

function state(chatId: string | null, transcript: { data: unknown; error: unknown }): Chat["state"] {
  if (chatId === null) return "none";
  if (transcript.error instanceof ApiError && transcript.error.status === 404) return "lost";
  if (transcript.data !== undefined) return "open";
  return transcript.error === null ? "loading" : "unreachable";
}

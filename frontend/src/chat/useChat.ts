/**
 * The chat of this browser: which one it is, what was said and what can be done next. It joins the server's transcript
 * with what the page itself knows, and keeps both over a reload.
 */

import { useEffect, useMemo, useReducer, useRef, useState } from "react";
import { v4 as uuid } from "uuid";

import { isUnknownChat } from "../api/errors";
import { step, takeBack, type Exchange } from "./exchange";
import { recallChat, recallUnsent, rememberChat, rememberUnsent } from "./memory";
import { judge } from "./text";
import { countRecorded, notRecorded, timeline, type TimelineItem } from "./timeline";
import { useSending } from "./useSending";
import { useStarting } from "./useStarting";
import { useTranscript } from "./useTranscript";

export type Phase =
  | { readonly name: "none" }
  | { readonly name: "loading" }
  | { readonly name: "unreadable"; readonly error: Error }
  /** The server doesn't know the chat any more. */
  | { readonly name: "gone" }
  | { readonly name: "open" };

export type Chat = {
  readonly phase: Phase;
  readonly chatId: string | null;
  readonly items: readonly TimelineItem[];
  /** The bot owes an answer. */
  readonly answering: boolean;
  /** The chat was begun in this page, not found in the browser's memory. */
  readonly begunHere: boolean;
  readonly starting: boolean;
  readonly startError: Error | null;
  readonly draft: string;
  readonly setDraft: (draft: string) => void;
  readonly begin: () => void;
  readonly reread: () => void;
  readonly say: () => void;
  readonly retry: (exchange: Exchange) => void;
  /** Puts a message that wasn't sent back into the text box. */
  readonly edit: (exchange: Exchange) => void;
};

const NONE: readonly never[] = [];

export function useChat(): Chat {
  const [chatId, setChatId] = useState(recallChat);
  const [begunHere, setBegunHere] = useState(false);
  const [kept] = useState(() => recallUnsent(chatId));
  const [draft, setDraft] = useState(kept.draft);
  const [exchanges, dispatch] = useReducer(step, kept.exchanges);
  const transcript = useTranscript(chatId);
  const recorded = transcript.data ?? NONE;
  const items = useMemo(() => timeline(recorded, exchanges), [recorded, exchanges]);

  const latest = useRef(exchanges);
  useEffect(() => {
    latest.current = exchanges;
  }, [exchanges]);
  const sending = useSending(() => latest.current, dispatch);
  const withdrawn = useRef<Exchange | null>(null);
  const starting = useStarting((started) => {
    setDraft(takeBack(notRecorded(recorded, exchanges), draft));
    dispatch({ type: "left" });
    rememberChat(started);
    setChatId(started);
    setBegunHere(true);
  });

  useEffect(() => {
    rememberUnsent(chatId, { draft, exchanges: notRecorded(recorded, exchanges) });
  }, [chatId, draft, recorded, exchanges]);

  function say() {
    const judged = judge(draft);
    // While another chat begins, the text waits for it in the box.
    if (chatId === null || starting.isPending || judged.state !== "sendable") {
      return;
    }
    const exchange = saidAgain(withdrawn.current, judged.text) ?? said(judged.text, countRecorded(items));
    withdrawn.current = null;
    starting.reset();
    dispatch({ type: "said", exchange });
    setDraft("");
    sending.mutate({ chatId, exchange });
  }

  function retry(exchange: Exchange) {
    if (chatId !== null && !starting.isPending) {
      dispatch({ type: "retried", key: exchange.key });
      sending.mutate({ chatId, exchange });
    }
  }

  function edit(exchange: Exchange) {
    withdrawn.current = exchange.uncertain ? exchange : null;
    dispatch({ type: "withdrawn", key: exchange.key });
    setDraft(takeBack([exchange], draft));
  }

  return {
    phase: phaseOf(chatId, transcript),
    chatId,
    items,
    answering: items.some(({ delivery }) => delivery.state === "sending"),
    begunHere,
    starting: starting.isPending,
    startError: starting.error,
    draft,
    setDraft,
    begin: () => {
      if (!starting.isPending) {
        starting.mutate();
      }
    },
    reread: () => void transcript.refetch(),
    say,
    retry,
    edit,
  };
}

function phaseOf(chatId: string | null, { data, error, isFetching }: ReturnType<typeof useTranscript>): Phase {
  if (chatId === null) {
    return { name: "none" };
  }
  if (isUnknownChat(error)) {
    return { name: "gone" };
  }
  // A transcript that can't be read again is no reason to take away what is on the page.
  if (data !== undefined) {
    return { name: "open" };
  }
  return error === null || isFetching ? { name: "loading" } : { name: "unreadable", error };
}

/** What was taken back to be edited and is sent as it was is a second attempt: the first one may have arrived. */
function saidAgain(withdrawn: Exchange | null, text: string): Exchange | null {
  return withdrawn?.text === text ? { ...withdrawn, saidAt: new Date(), progress: { state: "sending" } } : null;
}

function said(text: string, after: number): Exchange {
  const progress = { state: "sending" } as const;
  return { key: uuid(), text, saidAt: new Date(), after, uncertain: false, progress };
}

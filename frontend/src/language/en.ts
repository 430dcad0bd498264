/** All words of the page, in English. `de.ts` has the same in German; the compiler sees to it that none is missing. */

import type { Failure } from "../api/errors";

const reasons: Record<Failure, string> = {
  unreachable: "The server can’t be reached.",
  timeout: "The server took too long to answer.",
  "unknown-chat": "The server doesn’t know this chat any more.",
  refused: "The server refused this.",
  "too-many": "That was a bit fast.",
  unavailable: "The server isn’t available right now.",
  unexpected: "The server gave an answer that makes no sense.",
};

const words = {
  title: "Silly chat",
  skip: "Skip to the message box",
  menu: "Menu",
  close: "Close",
  retry: "Retry",
  cancel: "Cancel",
  reasons,

  chats: "Chats",
  newChat: "New chat",
  noWordsYet: "No words yet",

  welcome: "Say something to the bot. It always has an answer, if rarely a wise one.",
  begin: "Begin chat",
  beginFailed: "The chat couldn’t begin",
  nextFailed: "A new chat couldn’t begin",
  stillHere: "This one is still here.",
  loading: "Loading your chat…",

  conversation: "Conversation",
  you: "You",
  bot: "Bot",
  today: "Today",
  yesterday: "Yesterday",
  toEnd: "To the newest",
  newMessages: (count: number) => (count === 1 ? "1 new message" : `${count} new messages`),
  typing: "The bot is typing",
  slow: "This takes longer than usual…",
  copy: "Copy message",
  copied: "Copied",
  copyFailed: "The browser doesn’t allow copying here.",

  message: "Message",
  placeholder: "Type a message",
  send: "Send",
  left: (count: number) => (count === 1 ? "1 character left" : `${count} characters left`),
  over: (count: number, most: number) =>
    `${count === 1 ? "1 character" : `${count} characters`} over the limit of ${most}`,
  tooLong: (most: number) => `Too long: at most ${most} characters can be sent.`,

  sending: "Sending…",
  waiting: "Waits to be sent",
  waitingOffline: "Will be sent when you’re online",
  waitingFor: (reason: string, seconds: number) =>
    seconds > 0 ? `${reason} Next try in ${seconds} s` : `${reason} Trying again…`,
  notSent: (reason: string, detail: string | undefined) =>
    `Not sent. ${reason}${detail === undefined ? "" : ` (${detail})`}`,
  edit: "Edit",

  offline: "You’re offline. What you send now is kept, and goes out when you’re back.",
  keepsNothing: "This browser keeps nothing for this page. A reload needs the chat’s address: bookmark it.",
  storageFull: "This browser’s storage is full. What you type won’t survive a reload.",
  dismiss: "Dismiss",

  unreadable: "Your chat couldn’t be loaded",
  nothingLost: "Nothing is lost.",
  mayBeOld: "What you see is what this browser saw last.",
  gone: "This chat is no longer there",
  goneWhy: "The server doesn’t know it any more; it may have been deleted. What you hadn’t sent yet goes with you.",
  beginNew: "Begin a new chat",
  forget: "Remove from the list",

  export: "Export transcript",
  exportFailed: "The transcript couldn’t be exported.",
  exportHead: (when: string) => `Silly chat, ${when}`,
  delete: "Delete this chat",
  deleteQuestion: "Delete this chat?",
  deleteMeaning: "All its messages are gone for good, here and on the server.",
  deleteYes: "Delete",
  deleteFailed: "The chat couldn’t be deleted.",
  deleted: "The chat is deleted.",

  appearance: "Appearance",
  themes: { system: "System", light: "Light", dark: "Dark" },
  language: "Language",

  stumbled: "This page has stumbled",
  stumbledKept: "What was said is kept. Reloading the page brings it back.",
  reload: "Reload",
  toStart: "To the start page",
};

type Words = typeof words;

/** The same words in whichever language. */
export type Strings = { readonly [Name in keyof Words]: Words[Name] };

export const en: Strings = words;

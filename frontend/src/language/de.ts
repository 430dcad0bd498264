/** All words of the page, in German. */

import type { Strings } from "./en";

export const de: Strings = {
  title: "Silly chat",
  skip: "Zum Eingabefeld springen",
  menu: "Menü",
  close: "Schließen",
  retry: "Nochmal versuchen",
  cancel: "Abbrechen",
  reasons: {
    unreachable: "Der Server ist nicht erreichbar.",
    timeout: "Der Server hat nicht rechtzeitig geantwortet.",
    "unknown-chat": "Der Server kennt diesen Chat nicht mehr.",
    refused: "Der Server hat das abgelehnt.",
    "too-many": "Das war etwas zu schnell.",
    unavailable: "Der Server ist gerade nicht verfügbar.",
    unexpected: "Der Server hat etwas Unverständliches geantwortet.",
  },

  chats: "Chats",
  newChat: "Neuer Chat",
  noWordsYet: "Noch keine Worte",

  welcome: "Sag dem Bot etwas. Er weiß immer eine Antwort, wenn auch selten eine kluge.",
  begin: "Chat beginnen",
  beginFailed: "Der Chat konnte nicht beginnen",
  nextFailed: "Ein neuer Chat konnte nicht beginnen",
  stillHere: "Dieser hier ist noch da.",
  loading: "Dein Chat wird geladen …",

  conversation: "Unterhaltung",
  you: "Du",
  bot: "Bot",
  today: "Heute",
  yesterday: "Gestern",
  toEnd: "Zum neuesten",
  newMessages: (count: number) => (count === 1 ? "1 neue Nachricht" : `${count} neue Nachrichten`),
  typing: "Der Bot tippt",
  slow: "Das dauert länger als sonst …",
  copy: "Nachricht kopieren",
  copied: "Kopiert",
  copyFailed: "Der Browser erlaubt hier kein Kopieren.",

  message: "Nachricht",
  placeholder: "Nachricht schreiben",
  send: "Senden",
  left: (count: number) => `noch ${count} Zeichen`,
  over: (count: number, most: number) => `${count} Zeichen mehr als die ${most} erlaubten`,
  tooLong: (most: number) => `Zu lang: Höchstens ${most} Zeichen können gesendet werden.`,

  sending: "Wird gesendet …",
  waiting: "Wartet auf das Senden",
  waitingOffline: "Wird gesendet, sobald du online bist",
  waitingFor: (reason: string, seconds: number) =>
    seconds > 0 ? `${reason} Nächster Versuch in ${seconds} s` : `${reason} Neuer Versuch …`,
  notSent: (reason: string, detail: string | undefined) =>
    `Nicht gesendet. ${reason}${detail === undefined ? "" : ` (${detail})`}`,
  edit: "Bearbeiten",

  offline: "Du bist offline. Was du jetzt sendest, wird aufgehoben und geht raus, sobald du zurück bist.",
  keepsNothing:
    "Dieser Browser behält nichts für diese Seite. Nach dem Neuladen hilft nur die Adresse des Chats: Setz ein Lesezeichen.",
  storageFull: "Der Speicher dieses Browsers ist voll. Was du schreibst, übersteht kein Neuladen.",
  dismiss: "Ausblenden",

  unreadable: "Dein Chat konnte nicht geladen werden",
  nothingLost: "Es ist nichts verloren.",
  mayBeOld: "Du siehst, was dieser Browser zuletzt gesehen hat.",
  gone: "Diesen Chat gibt es nicht mehr",
  goneWhy:
    "Der Server kennt ihn nicht mehr; vielleicht wurde er gelöscht. Was noch nicht gesendet war, kommt mit in den neuen.",
  beginNew: "Neuen Chat beginnen",
  forget: "Aus der Liste entfernen",

  export: "Verlauf exportieren",
  exportFailed: "Der Verlauf konnte nicht exportiert werden.",
  exportHead: (when: string) => `Silly chat, ${when}`,
  delete: "Diesen Chat löschen",
  deleteQuestion: "Diesen Chat löschen?",
  deleteMeaning: "Alle Nachrichten sind dann endgültig weg, hier und auf dem Server.",
  deleteYes: "Löschen",
  deleteFailed: "Der Chat konnte nicht gelöscht werden.",
  deleted: "Der Chat ist gelöscht.",

  appearance: "Aussehen",
  themes: { system: "System", light: "Hell", dark: "Dunkel" },
  language: "Sprache",

  stumbled: "Diese Seite ist gestolpert",
  stumbledKept: "Was gesagt wurde, ist aufgehoben. Neuladen bringt es zurück.",
  reload: "Neu laden",
  toStart: "Zur Startseite",
};

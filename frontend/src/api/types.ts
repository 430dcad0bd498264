/** What the chat server says: the shapes of its answers, after they were checked. */

export type Sender = "USER" | "BOT";

export type StartedChat = {
  readonly chatId: string;
  readonly reply: string;
};

/** One message as the server has recorded it. */
export type RecordedMessage = {
  /** Absent from servers that don't number their messages. */
  readonly id: number | null;
  readonly sender: Sender;
  readonly text: string;
  /** `null` when the server's time can't be read. */
  readonly at: Date | null;
};

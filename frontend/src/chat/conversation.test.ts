import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import type { RecordedMessage } from "../api/chat";
import { ApiError, type Failure } from "../api/errors";
import { ChatMemory } from "../memory/chat";
import { FakeDisk } from "../memory/fakeDisk";
import { Memory } from "../memory/storage";
import { Conversation } from "./conversation";

const ID = "6f0d4f0e-6a3c-4c0b-9a57-0f8c4c6d1f3e";

/** What the server does with requests is written down here, in values: the browser's tests have the real one. */
class Script {
  readonly sent: { text: string; key: string }[] = [];
  recorded: RecordedMessage[] = [message(1, "BOT", "Welcome!")];
  /** For each request in turn, what goes wrong with it. */
  sendFailures: (Failure | ApiError | null)[] = [];
  readFailures: Failure[] = [];

  readonly send = (_: string, text: string, key: string): Promise<string> => {
    this.sent.push({ text, key });
    const failure = this.sendFailures.shift() ?? null;
    if (failure !== null) {
      return Promise.reject(failure instanceof ApiError ? failure : new ApiError(failure));
    }
    return Promise.resolve(`re ${text}`);
  };

  readonly read = (): Promise<RecordedMessage[]> => {
    const failure = this.readFailures.shift();
    return failure === undefined ? Promise.resolve([...this.recorded]) : Promise.reject(new ApiError(failure));
  };
}

function message(id: number, sender: "USER" | "BOT", text: string): RecordedMessage {
  return { id, sender, text, at: id };
}

let server: Script;
let memory: Memory;
let online: boolean;

beforeEach(() => {
  vi.useFakeTimers();
  server = new Script();
  memory = new Memory(new FakeDisk());
  online = true;
});
afterEach(() => {
  vi.useRealTimers();
});

const open = (id = ID) => new Conversation(id, server, new ChatMemory(memory, id), () => online);
const settle = (ms = 0) => vi.advanceTimersByTimeAsync(ms);

async function opened() {
  const conversation = open();
  await conversation.lookedAt();
  return conversation;
}

function say(conversation: Conversation, text: string) {
  conversation.setDraft(text);
  conversation.say();
}

const lines = (conversation: Conversation) => conversation.view().items.map(({ sender, text }) => `${sender} ${text}`);
const states = (conversation: Conversation) =>
  conversation.view().items.flatMap(({ exchange }) => exchange?.progress.state ?? []);

describe("reading", () => {
  test("shows what is remembered, then what the server has", async () => {
    new ChatMemory(memory, ID).keepSeen([message(1, "BOT", "Welcome!")]);
    const conversation = open();
    expect(conversation.view().reading.state).toBe("remembered");
    expect(lines(conversation)).toEqual(["BOT Welcome!"]);
    server.recorded.push(message(2, "USER", "hello"));
    await conversation.lookedAt();
    expect(conversation.view().reading.state).toBe("confirmed");
    expect(lines(conversation)).toEqual(["BOT Welcome!", "USER hello"]);
  });

  test("is tried again, and then says why not", async () => {
    server.readFailures = ["unreachable", "unavailable", "timeout"];
    const conversation = open();
    void conversation.lookedAt();
    await settle(3999);
    expect(conversation.view().reading.state).toBe("loading");
    await settle(1);
    expect(conversation.view().reading).toMatchObject({ state: "unreadable", error: { failure: "timeout" } });
    await conversation.read();
    expect(conversation.view().reading.state).toBe("confirmed");
  });

  test("of a chat that is gone says so at once", async () => {
    server.readFailures = ["unknown-chat"];
    expect((await opened()).view().reading.state).toBe("gone");
  });

  test("of something that is no id asks nobody", async () => {
    const conversation = open("nonsense");
    await conversation.lookedAt();
    expect(conversation.view().reading.state).toBe("gone");
  });

  test("that fails later takes nothing away", async () => {
    const conversation = await opened();
    server.readFailures = ["unreachable", "unreachable", "unreachable"];
    void conversation.read();
    await settle(10_000);
    expect(conversation.view().reading.state).toBe("confirmed");
  });

  test("happens again when the page is looked at, but not all the time", async () => {
    const conversation = await opened();
    server.recorded.push(message(2, "USER", "elsewhere"));
    await settle(5000);
    await conversation.lookedAt();
    expect(lines(conversation)).toHaveLength(1);
    await settle(5000);
    await conversation.lookedAt();
    expect(lines(conversation)).toHaveLength(2);
  });
});

describe("sending", () => {
  test("empties the box, shows the text, and then the answer", async () => {
    const conversation = await opened();
    say(conversation, " hello ");
    expect(conversation.view().draft).toBe("");
    expect(lines(conversation)).toEqual(["BOT Welcome!", "USER hello"]);
    expect(conversation.view().answeringSince).not.toBeNull();
    await settle();
    expect(lines(conversation)).toEqual(["BOT Welcome!", "USER hello", "BOT re hello"]);
    expect(conversation.view().answeringSince).toBeNull();
    expect(new ChatMemory(memory, ID).unsent()).toEqual([]);
  });

  test("goes on by itself under the same key, as long as it may succeed", async () => {
    const conversation = await opened();
    server.sendFailures = ["unreachable", "timeout", "unavailable"];
    say(conversation, "hello");
    await settle(7000);
    expect(lines(conversation)).toEqual(["BOT Welcome!", "USER hello", "BOT re hello"]);
    expect(server.sent).toHaveLength(4);
    expect(new Set(server.sent.map(({ key }) => key)).size).toBe(1);
  });

  test("gives up after a while, and is tried again on request", async () => {
    const conversation = await opened();
    server.sendFailures = ["unreachable", "unreachable", "unreachable", "unreachable"];
    say(conversation, "hello");
    await settle(60_000);
    expect(states(conversation)).toEqual(["failed"]);
    const key = server.sent[0]?.key ?? "";
    conversation.retry(key);
    conversation.retry(key);
    await settle();
    expect(server.sent).toHaveLength(5);
    expect(lines(conversation)).toEqual(["BOT Welcome!", "USER hello", "BOT re hello"]);
  });

  test("waits as told when it was too fast", async () => {
    const conversation = await opened();
    server.sendFailures = [new ApiError("too-many", { retryAfterMs: 5000 })];
    say(conversation, "hello");
    await settle(4999);
    expect(server.sent).toHaveLength(1);
    expect(states(conversation)).toEqual(["waiting"]);
    await settle(1);
    expect(server.sent).toHaveLength(2);
  });

  test("keeps the order, also when the first one has to wait", async () => {
    const conversation = await opened();
    server.sendFailures = ["unreachable"];
    say(conversation, "one");
    say(conversation, "two");
    await settle(60_000);
    expect(server.sent.map(({ text }) => text)).toEqual(["one", "one", "two"]);
  });

  test("of something refused doesn't hold up the next one", async () => {
    const conversation = await opened();
    server.sendFailures = [new ApiError("refused", { detail: "no" })];
    say(conversation, "one");
    say(conversation, "two");
    await settle();
    expect(lines(conversation)).toEqual(["BOT Welcome!", "USER two", "BOT re two", "USER one"]);
  });

  test("to a chat that is gone stops", async () => {
    const conversation = await opened();
    server.sendFailures = ["unknown-chat"];
    say(conversation, "one");
    say(conversation, "two");
    await settle();
    expect(conversation.view().reading.state).toBe("gone");
    expect(server.sent).toHaveLength(1);
    expect(conversation.takeAll()).toBe("one\ntwo");
  });

  test("waits for the network", async () => {
    const conversation = await opened();
    online = false;
    say(conversation, "hello");
    await settle(60_000);
    expect(server.sent).toEqual([]);
    expect(states(conversation)).toEqual(["waiting"]);
    online = true;
    await conversation.online();
    expect(lines(conversation)).toContain("BOT re hello");
  });

  test("goes on after a reload, under the same key", async () => {
    const conversation = await opened();
    online = false;
    say(conversation, "hello");
    online = true;
    const next = await opened();
    await settle();
    expect(lines(next)).toEqual(["BOT Welcome!", "USER hello", "BOT re hello"]);
    const [key] = new Set(server.sent.map(({ key }) => key));
    expect(server.sent.every((sent) => sent.key === key)).toBe(true);
  });
});

describe("merging", () => {
  test("shows nothing twice, whichever comes first", async () => {
    const conversation = await opened();
    say(conversation, "hello");
    await settle();
    const before = conversation.view().items.map(({ key }) => key);
    server.recorded.push(message(2, "USER", "hello"), message(3, "BOT", "re hello"));
    await conversation.read();
    expect(lines(conversation)).toEqual(["BOT Welcome!", "USER hello", "BOT re hello"]);
    expect(conversation.view().items.map(({ key }) => key)).toEqual(before);
  });

  test("finds what failed and arrived nevertheless, by asking for its answer", async () => {
    const conversation = await opened();
    server.sendFailures = ["timeout", "timeout", "timeout", "timeout"];
    say(conversation, "hello");
    await settle(60_000);
    expect(states(conversation)).toEqual(["failed"]);
    server.recorded.push(message(2, "USER", "hello"), message(3, "BOT", "re hello"));
    await conversation.read();
    await settle();
    await conversation.read();
    expect(lines(conversation)).toEqual(["BOT Welcome!", "USER hello", "BOT re hello"]);
    expect(states(conversation)).toEqual([]);
  });

  test("a transcript that began before the answer doesn't take it away", async () => {
    const conversation = await opened();
    let arrive: (() => void) | undefined;
    const stale = [...server.recorded];
    vi.spyOn(server, "read");
    const slow = new Promise<RecordedMessage[]>(
      (resolve) =>
        (arrive = () => {
          resolve(stale);
        }),
    );
    const reading = new Conversation(
      ID,
      { send: server.send, read: () => slow },
      new ChatMemory(memory, ID),
      () => true,
    );
    void reading.lookedAt();
    reading.setDraft("hello");
    reading.say();
    await settle();
    arrive?.();
    await settle();
    expect(lines(reading)).toEqual(["BOT Welcome!", "USER hello", "BOT re hello"]);
    expect(conversation.view().reading.state).toBe("confirmed");
  });
});

describe("taking back", () => {
  test("a message goes into the box; sent as it was, it keeps its key", async () => {
    const conversation = await opened();
    server.sendFailures = ["refused"];
    say(conversation, "hello");
    await settle();
    const key = server.sent[0]?.key ?? "";
    conversation.edit(key);
    expect(conversation.view().draft).toBe("hello");
    expect(lines(conversation)).toEqual(["BOT Welcome!"]);
    conversation.say();
    await settle();
    expect(server.sent[1]?.key).toBe(key);
  });

  test("another text is another message", async () => {
    const conversation = await opened();
    server.sendFailures = ["refused"];
    say(conversation, "helo");
    await settle();
    conversation.edit(server.sent[0]?.key ?? "");
    say(conversation, "hello");
    await settle();
    expect(server.sent[1]?.key).not.toBe(server.sent[0]?.key);
  });

  test("doesn't lose what is in the box", async () => {
    const conversation = await opened();
    server.sendFailures = ["refused"];
    say(conversation, "one");
    await settle();
    conversation.setDraft("two");
    conversation.edit(server.sent[0]?.key ?? "");
    expect(conversation.view().draft).toBe("one\ntwo");
  });
});

describe("another window", () => {
  const exchange = {
    key: "k",
    text: "hello",
    saidAt: 0,
    afterId: 1,
    progress: { state: "waiting", why: "turn" },
  } as const;

  test("that sends is watched; its message is read when it is settled", async () => {
    const conversation = await opened();
    conversation.heard({ type: "unsent", exchange });
    expect(states(conversation)).toEqual(["elsewhere"]);
    expect(server.sent).toEqual([]);
    server.recorded.push(message(2, "USER", "hello"), message(3, "BOT", "re hello"));
    conversation.heard({ type: "settled", key: "k" });
    await settle();
    expect(lines(conversation)).toEqual(["BOT Welcome!", "USER hello", "BOT re hello"]);
    expect(states(conversation)).toEqual([]);
  });

  test("that deletes the chat takes nothing away from what was said here", async () => {
    online = false;
    const conversation = await opened();
    conversation.setDraft("hello");
    conversation.say();
    server.readFailures = ["unknown-chat"];
    conversation.heard({ type: "settled", key: conversation.view().items.at(-1)?.key ?? "" });
    await settle();
    expect(conversation.view().reading.state).toBe("gone");
    expect(conversation.takeAll()).toBe("hello");
  });

  test("that was closed leaves its message to the one that is looked at", async () => {
    const conversation = await opened();
    conversation.heard({ type: "unsent", exchange });
    await conversation.lookedAt();
    await settle();
    expect(server.sent).toEqual([{ text: "hello", key: "k" }]);
  });

  test("shares the draft, unless something else is being typed here", async () => {
    const conversation = await opened();
    conversation.heard({ type: "draft", was: "", is: "hel" });
    expect(conversation.view().draft).toBe("hel");
    conversation.setDraft("mine");
    conversation.heard({ type: "draft", was: "hel", is: "hell" });
    expect(conversation.view().draft).toBe("mine");
  });
});

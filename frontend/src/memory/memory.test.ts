import { describe, expect, test } from "vitest";

import { TURN } from "../chat/exchange";
import { ChatMemory, chatsWithUnsent } from "./chat";
import { Chats } from "./chats";
import { FakeDisk } from "./fakeDisk";
import { takeOverFormer } from "./former";
import { Memory, SEEN } from "./storage";

const exchange = { key: "k", text: "hello", saidAt: 5, afterId: 3, progress: TURN };

describe("the memory", () => {
  test("without a disk lives as long as the page, and says so", () => {
    const memory = new Memory(null);
    memory.set("a", "1");
    expect(memory.get("a")).toBe("1");
    expect(memory.trouble()).toBe("disabled");
    memory.remove("a");
    expect(memory.get("a")).toBeNull();
  });

  test("that is full loses copies of the server's first", () => {
    const memory = new Memory(new FakeDisk(100));
    memory.set(`${SEEN}one`, "x".repeat(60));
    memory.set("draft", "y".repeat(60));
    expect(memory.get(`${SEEN}one`)).toBeNull();
    expect(memory.get("draft")).toBe("y".repeat(60));
    expect(memory.trouble()).toBe("none");
  });

  test("that is still full keeps it for this page, tells, and recovers", () => {
    const memory = new Memory(new FakeDisk(100));
    let told = 0;
    memory.subscribe(() => (told += 1));
    memory.set("draft", "y".repeat(200));
    expect(memory.get("draft")).toBe("y".repeat(200));
    expect([memory.trouble(), told]).toEqual(["full", 1]);
    memory.set("draft", "y");
    expect([memory.trouble(), told]).toEqual(["none", 2]);
  });

  test("whose disk fails at everything does no harm", () => {
    const broken = new Proxy(new FakeDisk(), {
      get: () => () => {
        throw new DOMException("denied", "SecurityError");
      },
      ownKeys: () => {
        throw new DOMException("denied", "SecurityError");
      },
    });
    const memory = new Memory(broken);
    memory.set("a", "1");
    expect(memory.get("a")).toBe("1");
    expect(memory.names("")).toEqual(["a"]);
  });
});

test("of a chat that was forgotten nothing is kept any more", () => {
  const memory = new Memory(new FakeDisk());
  const chat = new ChatMemory(memory, "c");
  chat.keepUnsent(exchange);
  chat.forget();
  chat.keepUnsent(exchange);
  chat.keepSeen([]);
  chat.keepDraft("a");
  expect(memory.names("")).toEqual([]);
});

describe("the list of chats", () => {
  test("has the last used one first, each once", () => {
    const chats = new Chats(new Memory(new FakeDisk()));
    chats.put({ id: "a", title: "", at: 1 });
    chats.put({ id: "b", title: "bee", at: 2 });
    chats.put({ id: "a", title: "ay", at: 3 });
    expect(chats.all().map(({ title }) => title)).toEqual(["ay", "bee"]);
    chats.remove("a");
    expect(chats.all()).toEqual([{ id: "b", title: "bee", at: 2 }]);
  });

  test("is shared with other windows", () => {
    const disk = new FakeDisk();
    const [one, other] = [new Chats(new Memory(disk)), new Chats(new Memory(disk))];
    one.put({ id: "a", title: "", at: 1 });
    other.put({ id: "b", title: "", at: 2 });
    one.heard({ name: "sillychat.chats", was: null, is: null });
    expect(one.all().map(({ id }) => id)).toEqual(["b", "a"]);
  });

  test.each(["", "null", "{", '{"a":1}', '[1,null,{"id":5}]'])("reads %j as nothing", (kept) => {
    const disk = new FakeDisk();
    disk.setItem("sillychat.chats", kept);
    expect(new Chats(new Memory(disk)).all()).toEqual([]);
  });
});

describe("what is kept of a chat", () => {
  test("comes back, what was under way to be sent again", () => {
    const memory = new Memory(new FakeDisk());
    const kept = new ChatMemory(memory, "c");
    kept.keepDraft("half");
    kept.keepUnsent({ ...exchange, progress: { state: "sending" } });
    kept.keepUnsent({ ...exchange, key: "f", saidAt: 4, progress: { state: "failed", why: "timeout" } });
    kept.keepSeen([{ id: 1, sender: "BOT", text: "Hi", at: null }]);
    const again = new ChatMemory(memory, "c");
    expect(again.draft()).toBe("half");
    expect(again.unsent()).toEqual([
      { ...exchange, key: "f", saidAt: 4, progress: { state: "failed", why: "timeout", detail: undefined } },
      exchange,
    ]);
    expect(again.seen()).toEqual([{ id: 1, sender: "BOT", text: "Hi", at: null }]);
    expect(chatsWithUnsent(memory)).toEqual(["c"]);
    again.forget();
    expect(memory.names("")).toEqual([]);
  });

  test("is not another chat's", () => {
    const memory = new Memory(new FakeDisk());
    new ChatMemory(memory, "c").keepUnsent(exchange);
    expect(new ChatMemory(memory, "d").unsent()).toEqual([]);
  });

  test("is at most what fits a screen", () => {
    const kept = new ChatMemory(new Memory(new FakeDisk()), "c");
    kept.keepSeen(Array.from({ length: 500 }, (_, id) => ({ id, sender: "BOT", text: "x".repeat(3000), at: 0 })));
    expect(kept.seen()).toHaveLength(16);
    expect(kept.seen().at(-1)?.id).toBe(499);
  });

  test("tells what another window did", () => {
    const kept = new ChatMemory(new Memory(new FakeDisk()), "c");
    const name = "sillychat.unsent.c.k";
    expect(kept.heard({ name: "sillychat.draft.c", was: null, is: "a" })).toEqual({ type: "draft", was: "", is: "a" });
    expect(kept.heard({ name, was: null, is: JSON.stringify(exchange) })).toEqual({ type: "unsent", exchange });
    expect(kept.heard({ name, was: "", is: null })).toEqual({ type: "settled", key: "k" });
    expect(kept.heard({ name: "sillychat.unsent.d.k", was: "", is: null })).toBeNull();
  });
});

describe("what release 0.2 kept", () => {
  test("is taken over once", () => {
    const disk = new FakeDisk();
    disk.setItem("sillychat.chat", "c");
    const exchanges = [
      { key: "k", text: "hello", progress: { state: "failed" } },
      { key: "l", text: "done", progress: { state: "answered" } },
    ];
    disk.setItem("sillychat.unsent", JSON.stringify({ chatId: "c", draft: "half", exchanges }));
    const memory = new Memory(disk);
    takeOverFormer(memory, 5);
    const kept = new ChatMemory(memory, "c");
    expect(kept.draft()).toBe("half");
    expect(kept.unsent()).toEqual([{ ...exchange, afterId: 0 }]);
    expect(new Chats(memory).all()).toEqual([{ id: "c", title: "", at: 5 }]);
    kept.forget();
    takeOverFormer(memory, 6);
    expect(kept.draft()).toBe("");
  });

  test("may be broken", () => {
    const disk = new FakeDisk();
    disk.setItem("sillychat.chat", "c");
    disk.setItem("sillychat.unsent", "{");
    takeOverFormer(new Memory(disk), 5);
    expect(new Chats(new Memory(disk)).all()).toHaveLength(1);
  });
});

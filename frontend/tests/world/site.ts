/**
 * The page and its chat server, as a browser meets them: the server alone on SQLite, or nginx with the image's
 * configuration before it and PostgreSQL behind it.
 */

import { chmodSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

import { Postgres } from "./postgres";
import { answers, folder, freePort, Process, run, until } from "./process";

const REPOSITORY = resolve(import.meta.dirname, "../../..");
const CHAT_SERVER = process.env.CHAT_SERVER ?? join(REPOSITORY, "target/debug/chat-server");
const PAGE = join(REPOSITORY, "frontend/dist");

/** What the bot says is nothing that these tests should depend on. */
const CONTENT = `
greetings: ["Welcome!"]
fallbacks: ["Let me think about that."]
dialogues:
  - text: ["hello"]
    replies: ["Hello yourself!"]
`;

export type Storage = "sqlite" | "postgres";

export type Line = { readonly sender: "USER" | "BOT"; readonly text: string; readonly at: Date };

export class Site {
  readonly #home = folder();
  readonly #databaseUrl: string;
  readonly #postgres: Postgres | null;
  #port = 0;
  #frontPort = 0;
  #server: Process | null = null;
  #front: Process | null = null;

  private constructor(postgres: Postgres | null) {
    this.#postgres = postgres;
    this.#databaseUrl = postgres?.url ?? `sqlite://${this.#home}/chat.db`;
  }

  /** `rateLimit`: requests in a second, twice as many at once; 0: no limit. */
  static async start(storage: Storage, { rateLimit = 0 } = {}): Promise<Site> {
    const site = new Site(storage === "postgres" ? await Postgres.start() : null);
    writeFileSync(join(site.#home, "content.yaml"), CONTENT);
    run(CHAT_SERVER, ["migrate", "--database-url", site.#databaseUrl]);
    site.#port = await freePort();
    await site.startServer(rateLimit);
    if (storage === "postgres") {
      const page = join(site.#home, "page");
      // As the image has it: with a compressed copy of each file beside it.
      run("cp", ["-r", PAGE, page]);
      // Started by root, nginx reads as somebody else.
      chmodSync(site.#home, 0o755);
      run("gzip", ["--recursive", "--keep", "--best", "--no-name", page]);
      site.#frontPort = await freePort();
      site.#front = new Process([join(REPOSITORY, "images/frontend/entrypoint.sh")], {
        folder: site.#home,
        env: {
          CHAT_SERVER_HOST: "127.0.0.1",
          CHAT_SERVER_PORT: String(site.#port),
          PORT: String(site.#frontPort),
          PAGE: page,
          RUN_DIR: join(site.#home, "nginx"),
          TEMPLATE: join(REPOSITORY, "images/frontend/nginx.conf.template"),
        },
      });
      await until("nginx answers", () => answers(`${site.url}/healthz`));
    }
    return site;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#frontPort === 0 ? this.#port : this.#frontPort}`;
  }

  async startServer(rateLimit = 0): Promise<void> {
    const options = [
      ["--listen", `127.0.0.1:${this.#port}`],
      ["--database-url", this.#databaseUrl],
      ["--content", join(this.#home, "content.yaml")],
      ["--static-dir", PAGE],
      ["--rate-limit", String(rateLimit)],
    ];
    this.#server = new Process([CHAT_SERVER, "serve", ...options.flat()], { folder: this.#home });
    await until("the chat server is ready", () => answers(`http://127.0.0.1:${this.#port}/readyz`));
  }

  /** As if its machine had gone. */
  async killServer(): Promise<void> {
    await this.#server?.end("keep");
    this.#server = null;
  }

  async pauseServer(): Promise<void> {
    await this.#server?.signal("SIGSTOP");
  }

  async resumeServer(): Promise<void> {
    await this.#server?.signal("SIGCONT");
  }

  async end(): Promise<void> {
    await this.#front?.end("keep");
    await this.killServer();
    await this.#postgres?.end();
    run("rm", ["-rf", this.#home]);
  }

  async newChat(): Promise<string> {
    const response = await fetch(`${this.url}/start_chat`, { method: "POST" });
    return ((await response.json()) as { chat_id: string }).chat_id;
  }

  async say(chatId: string, text: string): Promise<void> {
    const body = JSON.stringify({ chat_id: chatId, text });
    await fetch(`${this.url}/message`, { method: "POST", headers: { "Content-Type": "application/json" }, body });
  }

  /** Lines "USER hello". */
  async transcript(chatId: string): Promise<string[]> {
    const response = await fetch(`${this.url}/transcript/${chatId}`);
    const { messages } = (await response.json()) as { messages: { sender: string; text: string }[] };
    return messages.map(({ sender, text }) => `${sender} ${text}`);
  }

  async delete(chatId: string): Promise<void> {
    await fetch(`${this.url}/transcript/${chatId}`, { method: "DELETE" });
  }

  /** A chat with a past, taken over as one of the prototype's. */
  import(chatId: string, lines: readonly Line[]): void {
    const rows = lines.map(({ sender, text, at }) => [chatId, Math.floor(at.getTime() / 1000), sender, text]);
    const file = join(this.#home, `${chatId}.json`);
    const database = join(this.#home, `${chatId}.former.db`);
    writeFileSync(file, JSON.stringify(rows));
    run("python3", ["-c", FORMER, file, database]);
    run(CHAT_SERVER, ["import", "sqlite", database, "--database-url", this.#databaseUrl]);
  }
}

const FORMER = `
import json, sqlite3, sys
database = sqlite3.connect(sys.argv[2])
database.executescript("""
CREATE TABLE greetings (bot_replies TEXT);
CREATE TABLE fallbacks (bot_replies TEXT);
CREATE TABLE dialogues (user_says TEXT, bot_replies TEXT);
CREATE TABLE messages (chat_id TEXT, time INTEGER, sender TEXT, text TEXT);
""")
database.executemany("INSERT INTO messages VALUES (?, ?, ?, ?)", json.load(open(sys.argv[1])))
database.commit()
`;

/**
 * Programs that the tests start. Each has a shell beside it that holds the reading end of a pipe: when the writing end
 * closes, which the kernel sees to however the tests end, the shell ends the program, with those that it has started (nginx's
 * workers outlive it else), and removes its folder.
 */

import { execFileSync, spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const GUARD = `
folder=$1; shift
"$@" </dev/null >"$folder/$$.log" 2>&1 &
echo "pid $!"
read -r word
kill -KILL $! $(cat "/proc/$!/task/$!/children" 2>/dev/null)
wait $! 2>/dev/null
[ "$word" = keep ] || rm -rf "$folder"
`;

export class Process {
  readonly #guard: ChildProcessWithoutNullStreams;
  readonly #folder: string;
  #said = "";

  constructor(command: readonly string[], options: { folder: string; env?: Record<string, string> }) {
    this.#folder = options.folder;
    const env = { ...process.env, ...options.env };
    this.#guard = spawn("sh", ["-c", GUARD, "guard", options.folder, ...command], { env });
    this.#guard.stdout.on("data", (data: Buffer) => {
      this.#said += data.toString();
    });
  }

  /** What the program has written. */
  get log(): string {
    return readFileSync(join(this.#folder, `${this.#guard.pid ?? 0}.log`), "utf8");
  }

  async pid(): Promise<number> {
    await until("the process starts", () => this.#said.startsWith("pid "));
    return Number(/^pid (\d+)/.exec(this.#said)?.[1]);
  }

  async signal(name: NodeJS.Signals): Promise<void> {
    process.kill(await this.pid(), name);
  }

  /** Ends it. Its folder stays if somebody else needs it. */
  async end(word: "keep" | "remove" = "remove"): Promise<void> {
    const ended = new Promise((resolve) => this.#guard.once("close", resolve));
    this.#guard.stdin.end(`${word}\n`);
    await ended;
  }
}

export function folder(): string {
  return mkdtempSync(join(tmpdir(), "chat-page-"));
}

export function run(command: string, args: readonly string[]): string {
  return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") {
    throw new Error("no port");
  }
  return address.port;
}

/** Watches for something; only what fails takes long. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await isSo())) {
    if (Date.now() > deadline) {
      throw new Error(`not within 20 s: ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}

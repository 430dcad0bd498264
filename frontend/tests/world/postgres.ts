/** A real PostgreSQL of its own, in a temporary folder. */

import { chownSync, statSync } from "node:fs";
import { join } from "node:path";

import { folder, freePort, Process, run, until } from "./process";

const PROGRAMS = "/usr/lib/postgresql/15/bin";

/** It refuses to run as root: root becomes the user that Debian's package made. */
const AS_POSTGRES =
  process.getuid?.() === 0 ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] : ["env"];

export class Postgres {
  readonly #process: Process;
  readonly port: number;

  private constructor(started: Process, port: number) {
    this.#process = started;
    this.port = port;
  }

  static async start(): Promise<Postgres> {
    const home = folder();
    if (AS_POSTGRES[0] === "setpriv") {
      const { uid, gid } = statSync("/var/lib/postgresql");
      chownSync(home, uid, gid);
    }
    const data = join(home, "data");
    const as = (program: string, ...args: string[]) => [...AS_POSTGRES, `${PROGRAMS}/${program}`, ...args];
    const [initdb = "", ...rest] = as(
      "initdb",
      "--no-sync",
      "--username=postgres",
      "--auth=trust",
      "-E",
      "UTF8",
      "-D",
      data,
    );
    run(initdb, rest);
    const port = await freePort();
    const settings = ["listen_addresses=127.0.0.1", "fsync=off", `unix_socket_directories=${home}`];
    const options = settings.flatMap((setting) => ["-c", setting]);
    const started = new Process(as("postgres", "-D", data, "-p", String(port), ...options), { folder: home });
    const postgres = new Postgres(started, port);
    await until("PostgreSQL takes connections", () => {
      try {
        run(`${PROGRAMS}/pg_isready`, ["-q", "-h", "127.0.0.1", "-p", String(port)]);
        return true;
      } catch {
        return false;
      }
    });
    return postgres;
  }

  get url(): string {
    return `postgres://postgres@127.0.0.1:${this.port}/postgres`;
  }

  /** As if its machine hung. */
  async pause(): Promise<void> {
    await this.#process.signal("SIGSTOP");
  }

  async end(): Promise<void> {
    await this.#process.end();
  }
}

/**
 * The browser's local storage, with what a page can't rely on taken care of: it may be forbidden (private windows, a
 * setting), full, or hold what somebody else wrote. What can't be kept there lives as long as this page, and `trouble`
 * says so.
 */

export type Trouble = "none" | "disabled" | "full";

export type Change = { readonly name: string; readonly was: string | null; readonly is: string | null };

export class Memory {
  readonly #disk: Storage | null;
  /** What the disk didn't take. */
  readonly #meanwhile = new Map<string, string>();
  readonly #listeners = new Set<() => void>();
  #trouble: Trouble;

  constructor(disk: Storage | null) {
    this.#disk = disk;
    this.#trouble = disk === null ? "disabled" : "none";
  }

  get(name: string): string | null {
    return this.#meanwhile.get(name) ?? attempt(() => this.#disk?.getItem(name)) ?? null;
  }

  set(name: string, value: string): void {
    const written = this.#write(name, value) || (this.#makeRoom(name) && this.#write(name, value));
    if (written) {
      this.#meanwhile.delete(name);
    } else {
      this.#meanwhile.set(name, value);
    }
    this.#tell(written ? "none" : this.#disk === null ? "disabled" : "full");
  }

  remove(name: string): void {
    this.#meanwhile.delete(name);
    attempt(() => this.#disk?.removeItem(name));
  }

  names(prefix: string): string[] {
    const kept = attempt(() => Object.keys(this.#disk ?? {})) ?? [];
    return [...new Set([...kept, ...this.#meanwhile.keys()])].filter((name) => name.startsWith(prefix));
  }

  readonly trouble = (): Trouble => this.#trouble;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  #write(name: string, value: string): boolean {
    return attempt(() => (this.#disk === null ? false : (this.#disk.setItem(name, value), true))) ?? false;
  }

  /** What the server has, too, is the first to go. */
  #makeRoom(needed: string): boolean {
    const expendable = this.names(SEEN).filter((name) => name !== needed);
    for (const name of expendable) {
      this.remove(name);
    }
    return expendable.length > 0;
  }

  #tell(trouble: Trouble): void {
    if (this.#trouble !== trouble) {
      this.#trouble = trouble;
      for (const listener of this.#listeners) {
        listener();
      }
    }
  }
}

/** Names of what is only a copy of the server's. */
export const SEEN = "sillychat.seen.";

export function openMemory(): Memory {
  const disk = attempt(() => {
    const probe = "sillychat.probe";
    localStorage.setItem(probe, probe);
    localStorage.removeItem(probe);
    return localStorage;
  });
  // A full one can still be read, and gives room when something is removed.
  return new Memory(disk ?? attempt(() => (localStorage.length > 0 ? localStorage : null)) ?? null);
}

/** What other windows change. */
export function onChange(changed: (change: Change) => void): () => void {
  const listener = ({ key, oldValue, newValue, storageArea }: StorageEvent) => {
    if (key !== null && storageArea === attempt(() => localStorage)) {
      changed({ name: key, was: oldValue, is: newValue });
    }
  };
  window.addEventListener("storage", listener);
  return () => {
    window.removeEventListener("storage", listener);
  };
}

export type Fields = Readonly<Record<string, unknown>>;

export function parse(text: string | null): unknown {
  return text === null ? null : (attempt(() => JSON.parse(text) as unknown) ?? null);
}

export function fields(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}

export function list(value: unknown): Fields[] {
  return Array.isArray(value) ? value.map(fields) : [];
}

function attempt<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch {
    return undefined;
  }
}

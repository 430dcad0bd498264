/** A local storage for tests, with as much room as wanted. */

export class FakeDisk implements Storage {
  readonly #kept = new Map<string, string>();
  readonly #room: number;

  constructor(room = Infinity) {
    this.#room = room;
    // Names are properties of the real one, too.
    return new Proxy(this, {
      ownKeys: () => [...this.#kept.keys()],
      getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true }),
      get: (_, name) => {
        const value: unknown = Reflect.get(this, name, this);
        return typeof value === "function" ? (value.bind(this) as unknown) : value;
      },
    });
  }

  [name: string]: unknown;

  get length(): number {
    return this.#kept.size;
  }

  clear(): void {
    this.#kept.clear();
  }

  getItem(name: string): string | null {
    return this.#kept.get(name) ?? null;
  }

  key(index: number): string | null {
    return [...this.#kept.keys()][index] ?? null;
  }

  removeItem(name: string): void {
    this.#kept.delete(name);
  }

  setItem(name: string, value: string): void {
    const others = [...this.#kept].filter(([other]) => other !== name);
    const used = others.reduce((sum, [name, value]) => sum + name.length + value.length, 0);
    if (used + name.length + value.length > this.#room) {
      throw new DOMException("full", "QuotaExceededError");
    }
    this.#kept.set(name, value);
  }
}

/** Where the rows of a long list are, of which most were never drawn: known heights, and guesses for the others. Pure. */

export class Geometry {
  /** The top of each row, and below them all the end. */
  readonly #tops: Float64Array;

  constructor(heights: ArrayLike<number>, top: number) {
    this.#tops = new Float64Array(heights.length + 1);
    this.#tops[0] = top;
    for (let index = 0; index < heights.length; index += 1) {
      this.#tops[index + 1] = (this.#tops[index] ?? 0) + (heights[index] ?? 0);
    }
  }

  get count(): number {
    return this.#tops.length - 1;
  }

  get end(): number {
    return this.top(this.count);
  }

  top(index: number): number {
    return this.#tops[Math.max(0, Math.min(index, this.count))] ?? 0;
  }

  /** The row that is at this height; the first or last one beyond them. */
  indexAt(offset: number): number {
    let [low, high] = [0, this.count - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.top(middle) <= offset) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return Math.max(0, low);
  }
}

/** About how high a message is, before it was drawn. */
export function guess(text: string, startsDay: boolean, columns: number): number {
  const lines = text.split("\n").reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / columns)), 0);
  return (startsDay ? 110 : 66) + lines * 23;
}

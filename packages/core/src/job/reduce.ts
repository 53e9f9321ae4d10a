/**
 * How many results are reduced together. Fixed: it shapes the tree in which floating point numbers are added, so the
 * answer's last bits depend on it.
 */
export const ARITY = 32

type Reduce = (values: unknown[]) => unknown

/**
 * Reduces a sequence of unknown length in the tree of fixed arity: results that come in order, each group of {@link ARITY}
 * at one level becoming one result at the next. The last group of a level may be smaller; a group of one passes as it is.
 *
 * It holds at most `ARITY` results a level, so a partition of a billion blocks needs no more memory than one of a thousand.
 */
export class SequenceReducer {
  readonly #reduce: Reduce
  readonly #levels: unknown[][] = []

  constructor(reduce: Reduce) {
    this.#reduce = reduce
  }

  /** Adds the next result. */
  async add(value: unknown): Promise<void> {
    let carried = value
    for (let level = 0; ; level++) {
      this.#levels[level] ??= []
      const group = this.#levels[level] as unknown[]
      group.push(carried)
      if (group.length < ARITY) return
      this.#levels[level] = []
      carried = await this.#reduce(group)
    }
  }

  /** The result of all; `reduce([])` where there was none. */
  async finish(): Promise<unknown> {
    let carried: { readonly value: unknown } | undefined
    for (const level of this.#levels) {
      const group = carried ? [...level, carried.value] : level
      if (group.length > 0) carried = { value: group.length === 1 ? group[0] : await this.#reduce(group) }
    }
    return carried ? carried.value : this.#reduce([])
  }
}

import { ARITY } from '../job/reduce.ts'

/** A group of partials that is complete, in order, to be reduced to one. */
export interface Reduction {
  readonly level: number
  readonly position: number
  readonly partials: readonly Uint8Array[]
}

interface Group {
  readonly partials: Uint8Array[]
  missing: number
}

/**
 * Which partials are reduced together: groups of {@link ARITY} neighbours at each level, the last group of a level smaller,
 * a group of one passing as it is. The shape depends on the number of partitions alone, so the answer does not depend
 * on the order in which partials arrive; a group is handed out when its last partial arrives, and then forgotten.
 */
export class ReductionTree {
  /** How many partials each level has; the last level has one, the result. */
  readonly #sizes: number[] = []
  readonly #groups = new Map<string, Group>()

  /** @param partitions Integer >= 1. */
  constructor(partitions: number) {
    let size = partitions
    this.#sizes.push(size)
    while (size > 1) {
      size = Math.ceil(size / ARITY)
      this.#sizes.push(size)
    }
  }

  /**
   * Adds the partial of a partition (level 0), or what a reduction gave (its level + 1).
   *
   * @returns The reduction that is ready now, or the result if this was it, or nothing yet.
   */
  add(level: number, position: number, partial: Uint8Array): Reduction | { readonly result: Uint8Array } | undefined {
    const size = this.#sizes[level] as number
    if (level === this.#sizes.length - 1) return { result: partial }
    const parent = Math.floor(position / ARITY)
    const first = parent * ARITY
    const members = Math.min(ARITY, size - first)
    if (members === 1) return this.add(level + 1, parent, partial)
    const key = `${level}:${parent}`
    const group = this.#groups.get(key) ?? { partials: new Array<Uint8Array>(members), missing: members }
    this.#groups.set(key, group)
    group.partials[position - first] = partial
    if (--group.missing > 0) return undefined
    this.#groups.delete(key)
    return { level, position: parent, partials: group.partials }
  }
}

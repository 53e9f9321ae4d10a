// Partitions of one item each: all that is measured is what Pymar does around them.
import { DataSource, Producer } from '@pymar/core'

export class Tiny extends DataSource {
  static fullLength() {
    return Total.WORKERS_NUMBER
  }

  *[Symbol.iterator]() {
    yield this.offset
  }
}

/** The script sets WORKERS_NUMBER before each job. */
export class Total extends Producer {
  static WORKERS_NUMBER = 1

  static mapFn(items) {
    return items
  }

  static reduceFn(values) {
    let sum = 0
    for (const value of values) sum += value
    return sum
  }
}

/** What the sum of so many items must be. */
export function expected(partitions) {
  return (partitions * (partitions - 1)) / 2
}

// Plain JavaScript, so that a slot is up soon: partitions that take a while, and an answer that shows any fault in the order.
import { DataSource, Producer } from '@pymar/core'

export class Busy extends Producer {
  static WORKERS_NUMBER = 40
  static *mapFn(xs) {
    for (const x of xs) {
      const end = performance.now() + 1
      while (performance.now() < end);
      yield String(x)
    }
  }
  static reduceFn(values) {
    return [...values].join(' ')
  }
}

export class Items extends DataSource {
  static fullLength() {
    return 100
  }
  *[Symbol.iterator]() {
    for (let i = this.offset; i < this.offset + this.limit; i++) yield i
  }
}

/** The pids of the slots that computed the partitions, one partition each. */
export class Pids extends Producer {
  static WORKERS_NUMBER = 8
  static *mapFn(xs) {
    for (const _ of xs) yield [process.pid]
  }
  static reduceFn(lists) {
    return [...lists].flat()
  }
}

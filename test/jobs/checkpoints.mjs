// Jobs for checkpoints.
import { DataSource, Producer } from '@pymar/core'

export class Sum extends Producer {
  static WORKERS_NUMBER = 2
  static mapFn(xs) {
    return xs
  }
  static reduceFn(values) {
    return [...values].reduce((a, b) => a + b, 0)
  }
}

/** Its plan has something to close. */
export class Planned extends DataSource {
  static fullLength() {
    return 1
  }
  static partitions() {
    return { partitions: [{ index: 0, offset: 0, limit: 1 }], close() {} }
  }
  *[Symbol.iterator]() {
    yield 1
  }
}

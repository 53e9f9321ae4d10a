import { DataSource, Producer } from '@pymar/core'

export class Sum extends Producer<number> {
  static mapFn(xs: Iterable<number>): Iterable<number>
  static reduceFn(values: Iterable<number>): number
}

export class Planned extends DataSource<number> {
  static fullLength(): number
  [Symbol.iterator](): Iterator<number>
}

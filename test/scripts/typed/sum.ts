// Types imported without saying so: Node alone would look for values of those names.
import { Producer, type ProducerOptions } from '@pymar/core'

export class Sum extends Producer<number> {
  static readonly options: ProducerOptions = {}
  static mapFn(xs: Iterable<number>) {
    return xs
  }
  static reduceFn(values: Iterable<number>) {
    return [...values].reduce((a, b) => a + b, 0)
  }
}

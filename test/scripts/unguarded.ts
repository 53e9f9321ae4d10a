import { Producer } from '@pymar/core'

export class Sum extends Producer<number> {
  static mapFn(xs: Iterable<number>) {
    return xs
  }
  static reduceFn(values: Iterable<number>) {
    return [...values].reduce((a, b) => a + b, 0)
  }
}

console.log(await Sum.map([1, 2, 3]))

import { isMain, Producer } from '@pymar/core'

class Sum extends Producer<number> {
  static mapFn(xs: Iterable<number>) {
    return xs
  }
  static reduceFn(values: Iterable<number>) {
    return [...values].reduce((a, b) => a + b, 0)
  }
}

export const unrelated = 1

if (isMain(import.meta)) console.log(await Sum.map([1, 2, 3]))

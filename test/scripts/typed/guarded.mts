import { isMain, Producer } from '@pymar/core'

export class Sum extends Producer<number> {
  static mapFn(xs: Iterable<number>): Iterable<number> {
    return xs
  }
  static reduceFn(values: Iterable<number>) {
    return [...values].reduce((a, b) => a + b, 0)
  }
}

if (isMain(import.meta)) console.log(process.argv.slice(2).join(), await Sum.map([1, 2, 3]))

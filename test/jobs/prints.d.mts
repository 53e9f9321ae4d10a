import { Producer } from '@pymar/core'

export class Prints extends Producer<number> {
  static mapFn(items: Iterable<number>): Iterable<number>
  static reduceFn(items: Iterable<number>): number
}

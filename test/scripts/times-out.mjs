// A job whose time is over while its broker is still asked; then there is nothing left to do.
import { isMain, Producer } from '@pymar/core'

export class Count extends Producer {
  static mapFn(items) {
    return items
  }
  static reduceFn(items) {
    return [...items].length
  }
}

if (isMain(import.meta)) await Count.map([1], { timeoutMs: 500 }).catch((error) => console.log(error.code))

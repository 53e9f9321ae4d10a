import { Producer } from '@pymar/core'

export class Throws extends Producer {
  static mapFn() {
    throw new TypeError('bad item')
  }
  static reduceFn() {}
}

if (process.argv[1] === import.meta.filename) await Throws.map([1])

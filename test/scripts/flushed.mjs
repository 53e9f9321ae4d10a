// A job whose classes V8 has seen so long ago that it has thrown their code away: --expose-gc --stress-flush-code
import { DataSource, isMain, Producer } from '@pymar/core'

export class Few extends DataSource {
  static fullLength() {
    return 10
  }
  *[Symbol.iterator]() {
    for (let i = this.offset; i < this.offset + this.limit; i++) yield i
  }
}

export class Sum extends Producer {
  static mapFn(items) {
    return items
  }
  static reduceFn(values) {
    let sum = 0
    for (const value of values) sum += value
    return sum
  }
}

if (isMain(import.meta)) {
  globalThis.gc()
  console.log(await Sum.map(Few, { slots: 1 }))
}

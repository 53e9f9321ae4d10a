import { DataSource, isMain, Producer } from '@pymar/core'

export class Items extends DataSource {
  static partitions() {
    return { partitions: [{ index: 0, offset: 0, limit: 3 }], close: () => new Promise(() => {}) }
  }
  *[Symbol.iterator]() {
    for (let i = 0; i < this.limit; i++) yield 1
  }
}

export class Sum extends Producer {
  static mapFn(xs) {
    return xs
  }
  static reduceFn(values) {
    return [...values].reduce((a, b) => a + b, 0)
  }
}

if (isMain(import.meta)) console.log(await Sum.map(Items))

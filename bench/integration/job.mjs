// The integration with Pymar. As a script: node bench/integration/job.mjs
import { DataSource, isMain, Producer } from '@pymar/core'
import { length, mapFn, partitionCount, points, reduceFn } from './functions.mjs'

export class Points extends DataSource {
  static fullLength() {
    return length
  }

  [Symbol.iterator]() {
    return points(this.offset, this.limit)
  }
}

export class Integral extends Producer {
  static WORKERS_NUMBER = partitionCount
  static mapFn = mapFn
  static reduceFn = reduceFn
}

if (isMain(import.meta)) console.log((await Integral.map(Points)).toFixed(4))

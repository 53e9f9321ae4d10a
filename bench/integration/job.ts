// The twin of job.mjs in TypeScript, for what loading it costs.
import { DataSource, isMain, Producer } from '@pymar/core'
import * as integral from './functions.mjs'

export class Points extends DataSource<number> {
  static override fullLength(): number {
    return integral.length
  }

  [Symbol.iterator](): Iterator<number> {
    return integral.points(this.offset, this.limit)
  }
}

export class Integral extends Producer<number> {
  static override WORKERS_NUMBER: number = integral.partitionCount

  static mapFn(points: Iterable<number>): Iterable<number> {
    return integral.mapFn(points)
  }

  static reduceFn(values: Iterable<number>): number {
    return integral.reduceFn(values)
  }
}

if (isMain(import.meta)) console.log((await Integral.map(Points)).toFixed(4))

// The sum of squares of data that is in memory: each slot is sent its own slice, and nothing else.
//   npx pymar run examples/squared-sum-in-memory.ts
import { isMain, Producer } from '@pymar/core'

export class SquaredSum extends Producer<number> {
  static override WORKERS_NUMBER = 4

  static *mapFn(xs: Iterable<number>) {
    for (const x of xs) yield x * x
  }

  static reduceFn(values: Iterable<number>) {
    let sum = 0
    for (const value of values) sum += value
    return sum
  }
}

if (isMain(import.meta)) {
  const data = Float64Array.from({ length: 100_000 }, (_, i) => i)
  console.log(await SquaredSum.map(data))
}

// The sum of the squares of 0 to 9,999,999, exactly: it is beyond 2^53, so the partial sums are bigints.
//   npx pymar run examples/squared-sum.ts
import { DataSource, isMain, Producer } from '@pymar/core'

export class Naturals extends DataSource<number> {
  static override fullLength() {
    return 10_000_000
  }

  *[Symbol.iterator]() {
    for (let i = this.offset; i < this.offset + this.limit; i++) yield i
  }
}

export class SquaredSum extends Producer<bigint> {
  static override WORKERS_NUMBER = 8

  /** Sums in numbers as long as they are exact, which is faster than one bigint a square. */
  static *mapFn(xs: Iterable<number>) {
    let sum = 0
    for (const x of xs) {
      const next = sum + x * x
      if (Number.isSafeInteger(next)) sum = next
      else {
        yield BigInt(sum)
        sum = x * x
      }
    }
    yield BigInt(sum)
  }

  static reduceFn(sums: Iterable<bigint>) {
    let total = 0n
    for (const sum of sums) total += sum
    return total
  }
}

if (isMain(import.meta)) console.log(String(await SquaredSum.map(Naturals)))

// Pi by four million random points: each partition draws from a seed of its own, so every run gives the same digits.
//   npx pymar run examples/monte-carlo-pi.ts
import { DataSource, isMain, type PartitionContext, Producer } from '@pymar/core'

const points = 4_000_000

export class Throws extends DataSource<number> {
  static override fullLength() {
    return points
  }

  *[Symbol.iterator]() {
    for (let i = 0; i < this.limit; i++) yield i
  }
}

/** Numbers from 0 to 1, the same ones for the same seed (mulberry32). */
function random(seed: number) {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export class Hits extends Producer<number> {
  static override WORKERS_NUMBER = 16

  static *mapFn(throws: Iterable<number>, { partition }: PartitionContext) {
    const next = random(partition.index)
    for (const _ of throws) yield next() ** 2 + next() ** 2 < 1 ? 1 : 0
  }

  static reduceFn(hits: Iterable<number>) {
    let sum = 0
    for (const hit of hits) sum += hit
    return sum
  }
}

if (isMain(import.meta)) console.log((4 * (await Hits.map(Throws))) / points)

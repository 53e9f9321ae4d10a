// Producers for sources of databases: what they read, as it is.
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type PartitionContext, Producer } from '@pymar/core'

/** There as soon as a slot of that process holds a block. */
export const heldFile = (pid: number): string => join(tmpdir(), `pymar-held-${pid}`)

/** All items, in order. */
export class List extends Producer<unknown[]> {
  static override WORKERS_NUMBER = 4
  static *mapFn(items: Iterable<unknown>): Iterable<unknown[]> {
    yield [...items]
  }
  static reduceFn(lists: Iterable<unknown[]>): unknown[] {
    return [...lists].flat()
  }
}

/** Takes one block, and then its time: what comes behind it waits with the server. */
export class Hold extends Producer<number> {
  static override WORKERS_NUMBER = 2
  static async mapFn(_: Iterable<unknown>, { signal }: PartitionContext): Promise<number[]> {
    writeFileSync(heldFile(process.ppid), '')
    await new Promise<void>((_resolve, reject) => {
      const end = setTimeout(_resolve, 5000)
      signal.addEventListener('abort', () => {
        clearTimeout(end)
        reject(signal.reason)
      })
    })
    return [1]
  }
  static reduceFn(ones: Iterable<number>): number {
    let sum = 0
    for (const one of ones) sum += one
    return sum
  }
}

/** All items, in order; each partition takes a tenth of a second. */
export class SlowList extends List {
  static override WORKERS_NUMBER = 8
  static override *mapFn(items: Iterable<unknown>): Iterable<unknown[]> {
    const end = performance.now() + 100
    while (performance.now() < end);
    yield [...items]
  }
}

/** All items, in order; each block takes a second and a half of a core. */
export class SlowBlocks extends List {
  static override WORKERS_NUMBER = 1
  static override *mapFn(items: Iterable<unknown>): Iterable<unknown[]> {
    const end = performance.now() + 1500
    while (performance.now() < end);
    yield [...items]
  }
}

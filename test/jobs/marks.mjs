// Partitions that leave a mark when they begin, then keep their slot busy, for a time or until there is a file, and say which slot it was.
import { appendFileSync, existsSync } from 'node:fs'
import { Producer } from '@pymar/core'

export class Marks extends Producer {
  static *mapFn(items) {
    for (const { file, ms, until } of items) {
      appendFileSync(file, 'begun ')
      const end = performance.now() + ms
      while (performance.now() < end || (until && !existsSync(until)));
      yield [process.pid]
    }
  }
  static reduceFn(values) {
    return [...values].flat()
  }
}

// A worker that serves these too has more queues to leave.
export class Second extends Marks {}
export class Third extends Marks {}
export class Fourth extends Marks {}
export class Fifth extends Marks {}

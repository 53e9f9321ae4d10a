// Partitions that do what their items say: take time, leave a mark, end their slot. The answer is a sum of floating-point numbers, whose last
// bits show any fault in the order.
import { appendFileSync, existsSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { DataSource, Producer } from '@pymar/core'

/** What may go wrong in a partition. */
const DEEDS = {
  exit: () => process.exit(3),
  abort: () => process.abort(),
  kill: () => process.kill(process.pid, 'SIGKILL'),
  stop: () => process.kill(process.pid, 'SIGSTOP'),
  throw: () => {
    throw new Error('thrown on purpose')
  },
  array: () => {
    const all = []
    for (;;) all.push(new Array(1e5).fill(1.5))
  },
  map: () => {
    const all = new Map()
    for (let i = 0; ; i++) all.set(`key ${i}`, { i })
  },
  buffer: () => new ArrayBuffer(2 ** 52),
  loop: () => {
    for (;;);
  },
  never: () => new Promise(() => {}),
  /** Ends the worker too, as what kills a whole machine does. */
  killWorker: () => process.kill(process.ppid, 'SIGKILL'),
}

/**
 * `items`: how many. `ms`: how long each takes, or how long those take that have a time of their own. `deed`: what happens at item `at`: so many
 * `times`, if that is said, for which there must be a `mark`: a file that gets a line for each partition that begins. Items from `held` on wait until
 * there is a file `gate`, or its folder is gone.
 */
export class Script extends DataSource {
  static fullLength({ items }) {
    return items
  }
  *[Symbol.iterator]() {
    for (let i = this.offset; i < this.offset + this.limit; i++) yield i
  }
}

/** Whether something has not been done so often yet. Counted by files, since processes end by it. */
function isDue(times, mark) {
  if (times === undefined) return true
  for (let i = 0; i < times; i++) {
    try {
      openSync(`${mark}-${i}`, 'wx')
      return true
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
  }
  return false
}

function isShut(gate) {
  return gate !== undefined && !existsSync(gate) && existsSync(dirname(gate))
}

export class Chaos extends Producer {
  static WORKERS_NUMBER = 40

  static async mapFn(source, { attempt, partition }) {
    const { ms = 0, slow = {}, deed, at = 0, times, mark, held = 0, gate } = source.params
    if (mark) appendFileSync(mark, `${partition.index} ${attempt} ${process.pid}\n`)
    const all = []
    for (const i of source) {
      while (i >= held && isShut(gate)) await sleep(5)
      const end = performance.now() + (slow[i] ?? ms)
      while (performance.now() < end);
      if (deed && i === at && isDue(times, mark)) await DEEDS[deed]()
      all.push(Math.sin(i) / (i + 1))
    }
    return all
  }

  static reduceFn(values) {
    let sum = 0
    for (const value of values) sum += value
    return sum
  }
}

/** Its last `reduceFn` takes as long as it is told by its first value. */
export class SlowReduce extends Producer {
  static WORKERS_NUMBER = 4
  static mapFn(xs) {
    return [...xs]
  }
  static reduceFn(values) {
    const all = [...values]
    const end = performance.now() + (all.length > 1 ? Math.max(...all) : 0)
    while (performance.now() < end);
    return Math.max(...all)
  }
}

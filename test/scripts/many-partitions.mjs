// Prints the largest heap, in MiB, that a job of so many partitions leaves after a collection while it runs.
import { DataSource, DataSourceFactory, isMain, Producer } from '@pymar/core'

export class Ids extends DataSource {
  static fullLength(count) {
    return count
  }
  *[Symbol.iterator]() {
    yield this.offset
  }
}

export class Sum extends Producer {
  static mapFn(xs) {
    return xs
  }
  static reduceFn(values) {
    let sum = 0
    for (const value of values) sum += value
    return sum
  }
}

if (isMain(import.meta)) {
  const count = Number(process.argv[2])
  Sum.WORKERS_NUMBER = count
  let largest = 0
  const onProgress = ({ done }) => {
    if (done % (count / 20) !== 0) return
    globalThis.gc()
    largest = Math.max(largest, process.memoryUsage().heapUsed)
  }
  const sum = await Sum.map(new DataSourceFactory(Ids, { params: count }), { slots: 2, onProgress })
  console.log(JSON.stringify({ right: sum === (count * (count - 1)) / 2, heapMiB: largest / 2 ** 20 }))
}

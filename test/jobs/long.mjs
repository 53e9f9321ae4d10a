// Partitions that take as long as they are asked to, and say which attempt it was.
import { Producer } from '@pymar/core'

export class Long extends Producer {
  static WORKERS_NUMBER = 2
  static async mapFn(times, { attempt }) {
    const all = []
    for (const ms of times) {
      console.log(`waits ${ms} ms`)
      await new Promise((later) => setTimeout(later, ms))
      all.push(`${ms} in attempt ${attempt}`)
    }
    return all
  }
  static reduceFn(values) {
    return [...values].join(', ')
  }
}

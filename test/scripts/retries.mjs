// Each partition runs out of its time once; the second limits end long after the job.
import { isMain, Producer } from '@pymar/core'

export class Sum extends Producer {
  static async mapFn(xs, { attempt, signal }) {
    if (attempt === 1) await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    return xs
  }
  static reduceFn(values) {
    return [...values].reduce((a, b) => a + b, 0)
  }
}

if (isMain(import.meta)) console.log(await Sum.map([1, 2, 3], { partitionTimeoutMs: 4000, retries: 1, slots: 3 }))

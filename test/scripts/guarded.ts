// Tells how it was started, and leaves everything open: no close(), a failed job, a cancelled one that never ends.
import { isMain, Producer } from '@pymar/core'

enum Answer {
  Expected = 6,
}

export class Sum extends Producer<number> {
  static *mapFn(xs: Iterable<number>) {
    for (const x of xs) {
      if (x === 1000) throw new Error('a thousand')
      while (x === 2000);
      yield x
    }
  }
  static reduceFn(values: Iterable<number>) {
    return [...values].reduce((a, b) => a + b, 0)
  }
}

if (isMain(import.meta)) {
  console.log(process.argv.slice(2).join(), (await Sum.map([1, 2, 3])) === Answer.Expected)
  console.log(await Sum.map([1000]).catch((error) => error.code))
  console.log(await Sum.map([1, 2000], { timeoutMs: 100 }).catch((error) => error.code))
}

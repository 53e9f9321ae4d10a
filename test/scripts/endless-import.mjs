// A job file whose import never ends, and then one that is fine, in the only slot.
import { isMain, Producer } from '@pymar/core'

export class Sum extends Producer {
  static mapFn(xs) {
    return xs
  }
  static reduceFn(values) {
    return [...values].reduce((a, b) => a + b, 0)
  }
}

if (isMain(import.meta)) {
  console.log(await Sum.map([1], { module: 'never-imported.mjs', slots: 1, timeoutMs: 300 }).catch(({ code }) => code))
  const started = performance.now()
  console.log(await Sum.map([1, 2, 3], { slots: 1 }))
  console.log(performance.now() - started)
}

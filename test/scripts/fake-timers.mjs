// A job in a program whose timers are fake, and whose slots lose their listeners.
import { mock } from 'node:test'
import { isMain, Producer } from '@pymar/core'

export class Sum extends Producer {
  static WORKERS_NUMBER = 3
  static mapFn(xs) {
    return xs
  }
  static reduceFn(values) {
    return [...values].reduce((a, b) => a + b, 0)
  }
}

export class Deafening extends Sum {
  static mapFn(xs) {
    process.removeAllListeners('message')
    return xs
  }
}

export class Waiting extends Sum {
  static async mapFn() {
    await new Promise(() => {})
  }
}

if (isMain(import.meta)) {
  mock.timers.enable()
  // What other libraries fake too.
  performance.now = () => 5
  console.log(await Sum.map([1, 2, 3], { slots: 1 }))
  console.log(await Deafening.map([1, 2, 3], { slots: 1, timeoutMs: 10_000 }))
  console.log(await Waiting.map([1, 2, 3], { slots: 1, timeoutMs: 100 }).catch(({ code }) => code))
  console.log(await Waiting.map([1, 2, 3], { slots: 1, partitionTimeoutMs: 100 }).catch(({ code }) => code))
}

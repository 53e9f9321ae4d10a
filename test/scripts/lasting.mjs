// Eight partitions that take a while each.
import { setTimeout as sleep } from 'node:timers/promises'
import { isMain, Producer } from '@pymar/core'

export class Count extends Producer {
  static WORKERS_NUMBER = 8
  static async mapFn(xs) {
    await sleep(300)
    return xs
  }
  static reduceFn(values) {
    return [...values].length
  }
}

if (isMain(import.meta)) console.log(String(await Count.map([1, 2, 3, 4, 5, 6, 7, 8], { slots: 2 })))

// Slots that never end by themselves, and never let their event loop turn.
import { isMain, Producer } from '@pymar/core'

export class Endless extends Producer {
  static mapFn(xs) {
    for (const _ of xs) console.log('computing')
    for (;;);
  }
  static reduceFn(values) {
    return [...values].length
  }
}

if (isMain(import.meta)) {
  process.on('exit', () => console.log('exit', process.exitCode))
  await Endless.map([1, 2], { slots: 2 })
}

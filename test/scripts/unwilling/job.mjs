import { Producer } from '@pymar/core'

export class Unwilling extends Producer {
  static mapFn(xs) {
    process.removeAllListeners('disconnect')
    setInterval(() => {}, 1000)
    return xs
  }
  static reduceFn(values) {
    return [...values].length
  }
}

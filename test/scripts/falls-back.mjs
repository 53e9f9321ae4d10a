import { isMain, Producer } from '@pymar/core'

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
  const numbers = Array.from({ length: 100 }, (_, i) => i)
  console.log(await Sum.map(numbers, { fallback: 'local', brokerTimeoutMs: 300, slots: 1 }))
}

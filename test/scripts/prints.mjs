import { isMain, Producer } from '@pymar/core'

export class Prints extends Producer {
  static mapFn(xs) {
    console.log('from a slot')
    return xs
  }
  static reduceFn(values) {
    return [...values].length
  }
}

if (isMain(import.meta)) console.log('from the script', await Prints.map([1]))

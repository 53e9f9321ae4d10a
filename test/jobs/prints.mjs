import { Producer } from '@pymar/core'

/** Counts items, and prints in every way there is. */
export class Prints extends Producer {
  static mapFn(items) {
    console.log('to stdout: äöü')
    console.error('to stderr')
    process.stdout.write('without an end')
    return items
  }
  static reduceFn(items) {
    return [...items].length
  }
}

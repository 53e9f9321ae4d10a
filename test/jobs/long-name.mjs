import { Producer } from '@pymar/core'

/** A name that is too long for a queue's. */
const name = 'L'.repeat(300)

export const { [name]: LongName } = {
  [name]: class extends Producer {
    static mapFn(items) {
      return items
    }
    static reduceFn(items) {
      return [...items].length
    }
  },
}

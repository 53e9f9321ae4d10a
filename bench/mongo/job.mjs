// A collection of many documents, or of few, and what is read from it.
import { Producer } from '@pymar/core'
import { MongoDataSource } from '@pymar/mongo-source'

const CONF = { uri: process.env.PYMAR_TEST_MONGO ?? '', db: 'pymar_bench' }

export class Articles extends MongoDataSource {
  static CONF = { ...CONF, collection: 'large' }
  static PROJECTION = { amount: 1, customer: 1 }
}

export class FewArticles extends Articles {
  static CONF = { ...CONF, collection: 'small' }
}

/** The sum of all amounts. */
export class Amounts extends Producer {
  static WORKERS_NUMBER = 8
  static mapFn(articles) {
    return [sumOf(articles)]
  }
  static reduceFn(sums) {
    let sum = 0
    for (const one of sums) sum += one
    return sum
  }
}

/** The most memory that a slot has had, in KiB. */
export class Memory extends Producer {
  static WORKERS_NUMBER = 8
  static mapFn(articles) {
    return [sumOf(articles) < 0 ? 0 : process.resourceUsage().maxRSS]
  }
  static reduceFn(sizes) {
    return Math.max(0, ...sizes)
  }
}

export function sumOf(articles) {
  let sum = 0
  for (const { amount } of articles) sum += amount
  return sum
}

// A table of five million rows, or a smaller one, and what is read from it.
import { Producer } from '@pymar/core'
import { SqlDataSource } from '@pymar/sql-source'

export class Orders extends SqlDataSource {
  static CONF = process.env.PYMAR_TEST_POSTGRES ?? ''
  static TABLE = 'pymar_bench_large'
  static COLUMNS = ['amount', 'ratio', 'customer']
}

export class FewOrders extends Orders {
  static TABLE = 'pymar_bench_small'
}

export class SortedOrders extends Orders {
  static ORDER_BY = 'id'
}

/** The sum of all amounts. */
export class Amounts extends Producer {
  static WORKERS_NUMBER = 8
  static mapFn(rows) {
    let sum = 0
    for (const [amount] of rows) sum += amount
    return [sum]
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
  static mapFn(rows) {
    let sum = 0
    for (const [amount] of rows) sum += amount
    return [sum < 0 ? 0 : process.resourceUsage().maxRSS]
  }
  static reduceFn(sizes) {
    return Math.max(0, ...sizes)
  }
}

// Sources over tables that the tests make.
import type { PlanContext } from '@pymar/core'
import { SqlDataSource } from '@pymar/sql-source'

export { Hold, List, SlowList } from './lists.ts'

const CONF = process.env['PYMAR_TEST_POSTGRES'] ?? ''

/** The suite's: items 0, 1, 2, ..., each row long enough to keep a connection busy. */
export class Items extends SqlDataSource<number> {
  static override CONF = CONF
  static override TABLE = 'pymar_items'
  static override COLUMNS = ['item']
}

export class WideItems extends SqlDataSource<[number, string]> {
  static override CONF = CONF
  static override TABLE = 'pymar_items'
}

/** Whatever table a test has made. */
export class Table extends SqlDataSource<unknown> {
  static override CONF = CONF
  static override TABLE = 'pymar_table'
}

/** A table that others write to: what a job must find is what its snapshot holds. */
export class Moving extends SqlDataSource<[id: number, amount: number]> {
  static override CONF = CONF
  static override TABLE = 'pymar_moving'
  static override COLUMNS = ['id', 'amount']
  /** The snapshot of the latest job. */
  static snapshot = ''
  static override async partitions(count: number, context: PlanContext) {
    const plan = await super.partitions(count, context)
    Moving.snapshot = (plan.shared as { snapshot: string }).snapshot
    return plan
  }
}

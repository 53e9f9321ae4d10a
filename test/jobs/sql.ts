// Sources over tables that the tests make.
import type { PlanContext } from '@pymar/core'
import { SqlDataSource } from '@pymar/sql-source'

export { Hold, List, SlowBlocks, SlowList } from './lists.ts'

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

/** The session that reads each partition. */
export class Sessions extends SqlDataSource<number> {
  static override CONF = CONF
  static override QUERY = 'select i, pg_backend_pid() as pid from generate_series(1, 12) i'
  static override COLUMNS = ['pid']
  static override ORDER_BY = 'i'
}

/** Takes the server half a minute, and tells nothing meanwhile. */
export class Asleep extends SqlDataSource<unknown> {
  static override CONF = CONF
  static override QUERY = `select i from generate_series(1, 2) i
    where pg_sleep(case when current_setting('application_name') = 'pymar slot' then 30 else 0 end) is not null`
  static override ORDER_BY = 'i'
}

/** A server that is strict about time. */
export class Strict extends SqlDataSource<number> {
  static override CONF =
    `${CONF}${CONF.includes('?') ? '&' : '?'}options=-c%20idle_in_transaction_session_timeout%3D1000&query_timeout=1000`
  static override QUERY = 'select generate_series(1, 3000)'
  static override ORDER_BY = 'generate_series'
}

/** A table that others write to: what a job must find is what its snapshot holds. */
export class Moving extends SqlDataSource<[id: number, amount: number]> {
  static override CONF = CONF
  static override TABLE = 'pymar_moving'
  static override COLUMNS = ['id', 'amount']
  /** What is to be done with a job's snapshot before it begins. */
  static planned: ((snapshot: string) => Promise<void>) | undefined
  static override async partitions(count: number, context: PlanContext) {
    const plan = await super.partitions(count, context)
    await Moving.planned?.((plan.shared as { snapshot: string }).snapshot)
    return plan
  }
}

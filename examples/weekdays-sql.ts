// Which customer orders most on which day of the week, out of a table with dates and text that this script makes and drops.
//   PYMAR_TEST_POSTGRES=postgres://me@127.0.0.1:5432/me npx pymar run examples/weekdays-sql.ts
import { isMain, Producer } from '@pymar/core'
import { SqlDataSource } from '@pymar/sql-source'
import pg from 'pg'

const CONF = process.env['PYMAR_TEST_POSTGRES'] ?? 'postgres://127.0.0.1:5432/postgres'

interface Order {
  day: Date
  customer: string
}

export class Orders extends SqlDataSource<Order> {
  static override CONF = CONF
  static override TABLE = 'pymar_example_orders'
  static override COLUMNS = ['day', 'customer']
  static override WHERE = 'day >= $1 and customer <> $2'
  static override PARAMS = ['2026-01-01', 'nobody']
  static override ROWS = 'object' as const
}

/** How many orders each customer has placed on each day of the week. */
export class Weekdays extends Producer<Map<string, number>> {
  static override WORKERS_NUMBER = 4

  static mapFn(orders: Iterable<Order>) {
    const counts = new Map<string, number>()
    for (const { day, customer } of orders) {
      const key = `${customer} ${day.toLocaleDateString('en', { weekday: 'long' })}`
      counts.set(key, (counts.get(key) ?? 0) + 1)
    }
    return [counts]
  }

  static reduceFn(all: Iterable<Map<string, number>>) {
    const sum = new Map<string, number>()
    for (const counts of all) for (const [key, count] of counts) sum.set(key, (sum.get(key) ?? 0) + count)
    return sum
  }
}

async function run(sql: string) {
  const client = new pg.Client(CONF)
  await client.connect()
  await client.query(sql)
  await client.end()
}

if (isMain(import.meta)) {
  await run(`drop table if exists pymar_example_orders; create table pymar_example_orders (day date, customer text);
    insert into pymar_example_orders select date '2025-12-01' + i % 360, (array['Ärzte & Söhne', 'Mrs "O''Hara"', 'nobody'])[i % 3 + 1]
    from generate_series(1, 100000) i; insert into pymar_example_orders select '2026-05-05', 'Mrs "O''Hara"' from generate_series(1, 500)`)
  try {
    const [busiest] = [...(await Weekdays.map(Orders))].sort(([, a], [, b]) => b - a)
    console.log(busiest?.join(': '))
  } finally {
    await run('drop table pymar_example_orders')
  }
}

// The sum of the squares of the numbers to 200,000 in a table of PostgreSQL, which this script makes and drops.
//   PYMAR_TEST_POSTGRES=postgres://me@127.0.0.1:5432/me npx pymar run examples/squared-sum-sql.ts
import { isMain, Producer } from '@pymar/core'
import { SqlDataSource } from '@pymar/sql-source'
import pg from 'pg'

const CONF = process.env['PYMAR_TEST_POSTGRES'] ?? 'postgres://127.0.0.1:5432/postgres'

export class Naturals extends SqlDataSource<number> {
  static override CONF = CONF
  static override TABLE = 'pymar_naturals'
  static override COLUMNS = ['value']
}

export class SquaredSum extends Producer<number> {
  static override WORKERS_NUMBER = 8

  static *mapFn(values: Iterable<number>) {
    for (const value of values) yield value * value
  }

  static reduceFn(squares: Iterable<number>) {
    let sum = 0
    for (const square of squares) sum += square
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
  await run('drop table if exists pymar_naturals; create table pymar_naturals as select generate_series(0, 200000) as value')
  try {
    console.log(await SquaredSum.map(Naturals))
  } finally {
    await run('drop table pymar_naturals')
  }
}

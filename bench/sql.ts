import type { PlanContext } from '@pymar/core'
import pg from 'pg'
import { interleave, median, ratio } from './measure.ts'
import { peakMemory } from './peak-memory.ts'
import { byCopy, byCursor } from './sql/by-hand.ts'
import { Amounts, FewOrders, Memory, Orders, SortedOrders } from './sql/job.mjs'
import { ms, perSecond, type Row } from './table.ts'

/** 1.8 times the rate of a cursor, 0.9 of that of a copy loop, as times. */
const CURSOR_TARGET = 1 / 1.8
const COPY_TARGET = 1 / 0.9
const LAST_TARGET = 1.15
const [LARGE, SMALL] = [5_000_000, 100_000]
const ROUNDS = { warmups: 1, measured: 9 }
const QUICK = { warmups: 1, measured: 3 }

/** Rows of PostgreSQL into slots, beside loops by hand. */
export async function sql(quick: boolean): Promise<Row[]> {
  const url = process.env['PYMAR_TEST_POSTGRES']
  if (!url) return [{ what: 'tables of PostgreSQL: no server here', value: 'not run' }]
  const client = new pg.Client(url)
  await client.connect()
  try {
    for (const [table, rows] of [
      ['pymar_bench_large', LARGE],
      ['pymar_bench_small', SMALL],
    ] as const) {
      await client.query(`drop table if exists ${table}; create table ${table} (id int primary key, amount int, ratio float8, customer text);
        insert into ${table} select i, i % 1000, i / 3.0, 'customer ' || i % 5000 from generate_series(1, ${rows}) i`)
      await client.query(`vacuum analyze ${table}`)
    }
    return [...(await rates(client, quick)), ...(await lasts(quick)), ...(await plans(quick)), ...(await memory())]
  } finally {
    await client.query('drop table if exists pymar_bench_large, pymar_bench_small')
    await client.end()
  }
}

async function rates(client: pg.Client, quick: boolean): Promise<Row[]> {
  const producer = new Amounts({ slots: 1 })
  const expected = (LARGE / 1000) * ((999 * 1000) / 2)
  const checked = async (sum: Promise<number>) => {
    if ((await sum) !== expected) throw new Error(`The sum is ${await sum}, not ${expected}`)
  }
  const [cursor = [], copy = [], own = []] = await interleave(
    [
      { name: 'cursor', run: () => checked(byCursor(client, 'pymar_bench_large')) },
      { name: 'copy', run: () => checked(byCopy(client, 'pymar_bench_large')) },
      { name: 'pymar', run: () => checked(producer.map(Orders)) },
    ],
    quick ? QUICK : ROUNDS,
  )
  await producer.close()
  const rate = (times: readonly number[]) => `${perSecond((LARGE / median(times)) * 1000)}`
  return [
    { what: 'rows of PostgreSQL, 5e6 of 3 columns: pg-cursor by hand', value: rate(cursor) },
    { what: 'binary COPY by hand, with pg-copy-streams', value: rate(copy) },
    {
      what: 'SqlDataSource, 1 slot, 8 partitions (ratio of times to the cursor)',
      value: rate(own),
      ratio: ratio(own, cursor),
      target: CURSOR_TARGET,
    },
    { what: 'the same (to the copy loop)', value: rate(own), ratio: ratio(own, copy), target: COPY_TARGET },
  ]
}

const context: PlanContext = { params: undefined, length: () => Promise.resolve(0), signal: new AbortController().signal }

async function lasts(quick: boolean): Promise<Row[]> {
  const rows: Row[] = []
  for (const [what, source] of [
    ['blocks', Orders],
    ['keys', SortedOrders],
  ] as const) {
    const plan = await source.partitions(8, context)
    const read = async (index: number) => {
      const partition = plan.partitions[index]
      const slice = new source(partition?.offset, partition?.limit)
      Object.defineProperties(slice, { hint: { value: partition?.hint }, shared: { value: plan.shared } })
      for await (const _ of slice.blocks(context.signal));
    }
    const [first = [], last = []] = await interleave(
      [
        { name: 'first', run: () => read(0) },
        { name: 'last', run: () => read(7) },
      ],
      quick ? QUICK : ROUNDS,
    )
    await plan.close?.()
    rows.push(
      { what: `first of 8 partitions by ranges of ${what}`, value: ms(median(first)) },
      { what: 'the last of them', value: ms(median(last)), ratio: ratio(last, first), target: LAST_TARGET },
    )
  }
  return rows
}

async function plans(quick: boolean): Promise<Row[]> {
  const plan = async (source: typeof Orders) => {
    await (await source.partitions(8, context)).close?.()
  }
  const [small = [], large = [], keys = []] = await interleave(
    [
      { name: 'small', run: () => plan(FewOrders) },
      { name: 'large', run: () => plan(Orders) },
      { name: 'keys', run: () => plan(SortedOrders) },
    ],
    quick ? QUICK : ROUNDS,
  )
  return [
    { what: 'plan by ranges of blocks, with connecting, 1e5 rows', value: ms(median(small)) },
    { what: 'the same, 5e6 rows', value: ms(median(large)), ratio: ratio(large, small) },
    { what: 'plan by ranges of keys, 5e6 rows', value: ms(median(keys)) },
  ]
}

/** As many rows are read in all from either. */
async function memory(): Promise<Row[]> {
  return [
    await peakMemory('1e5 rows, 50 times', new Memory({ slots: 1 }), FewOrders, LARGE / SMALL),
    await peakMemory('5e6 rows', new Memory({ slots: 1 }), Orders, 1),
  ]
}

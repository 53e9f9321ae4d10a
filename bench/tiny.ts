import { median } from './measure.ts'
import { perSecond, type Row } from './table.ts'
import { expected, Tiny, Total } from './tiny/job.mjs'

const SLOTS = 2
const WARM_UP = 5000

/** Partitions of one item per second: what Pymar costs where there is nothing to compute. */
export async function tiny(quick: boolean): Promise<Row[]> {
  const producer = new Total({ slots: SLOTS })
  const measure = async (partitions: number) => {
    Total.WORKERS_NUMBER = partitions
    const started = performance.now()
    const total = await producer.map(Tiny)
    if (total !== expected(partitions)) throw new Error(`The sum is ${total}, not ${expected(partitions)}`)
    return (partitions / (performance.now() - started)) * 1000
  }
  const repeated = async (partitions: number, times: number) => {
    const rates: number[] = []
    while (rates.length < times) rates.push(await measure(partitions))
    return { what: `tiny partitions, ${partitions.toLocaleString('en')} in a job, 2 warm slots`, value: perSecond(median(rates)) }
  }
  try {
    await measure(WARM_UP)
    return [await repeated(20_000, quick ? 3 : 9), await repeated(200_000, quick ? 1 : 3)]
  } finally {
    await producer.close()
  }
}

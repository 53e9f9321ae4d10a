import { BlockIntegral, EachIntegral, PointBlocks } from './integration/blocks-job.mjs'
import { partitions } from './integration/functions.mjs'
import { Threads } from './integration/threads.mjs'
import { interleave, median, ratio } from './measure.ts'
import { ms, type Row } from './table.ts'

const SLOTS = 2
const TARGET = 1.3
/** Sums in another order differ in their last bits. */
const TOLERANCE = 1e-9

/** The integration in blocks of a typed array beside a bare loop on two threads. */
export async function blocks(quick: boolean): Promise<Row[]> {
  const threads = new Threads(SLOTS, new URL('integration/loop-thread.mjs', import.meta.url).href)
  const producer = new BlockIntegral({ slots: SLOTS })
  const each = new EachIntegral({ slots: SLOTS })
  const halves = partitions(SLOTS)
  try {
    const [bare, ...answers] = [await threads.integrate(halves), await producer.map(PointBlocks), await each.map(PointBlocks)]
    for (const answer of answers) {
      if (!(Math.abs(answer / bare - 1) < TOLERANCE)) throw new Error(`By the bare loop the integral is ${bare}, with Pymar ${answer}`)
    }
    const [peer = [], own = [], ofEach = []] = await interleave(
      [
        { name: 'loop', run: () => threads.integrate(halves) },
        { name: 'blocks', run: () => producer.map(PointBlocks) },
        { name: 'each', run: () => each.map(PointBlocks) },
      ],
      quick ? { warmups: 2, measured: 9 } : { warmups: 5, measured: 31 },
    )
    return [
      { what: 'bare loop, 2 warm threads', value: ms(median(peer)) },
      {
        what: 'Pymar in blocks, 2 warm slots, mapFn gives one value per block',
        value: ms(median(own)),
        ratio: ratio(own, peer),
        target: TARGET,
      },
      { what: 'the same, mapFn is block.map(...), reduceFn is for-of', value: ms(median(ofEach)), ratio: ratio(ofEach, peer) },
    ]
  } finally {
    await Promise.all([threads.close(), producer.close(), each.close()])
  }
}

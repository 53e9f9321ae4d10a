import { BlockIntegral, EachIntegral, PointBlocks } from './integration/blocks-job.mjs'
import { partitions } from './integration/functions.mjs'
import { Threads } from './integration/threads.mjs'
import { interleave, median, type Rounds, ratio } from './measure.ts'
import { ms, type Row } from './table.ts'

const SLOTS = 2
const TARGET = 1.3
/** Sums in another order differ in their last bits. */
const TOLERANCE = 1e-9

/** The integration in blocks of a typed array beside a bare loop on two threads. */
export async function blocks(quick: boolean): Promise<Row[]> {
  const threads = new Threads(SLOTS, new URL('integration/loop-thread.mjs', import.meta.url).href)
  try {
    const rounds = quick ? { warmups: 2, measured: 9 } : { warmups: 5, measured: 31 }
    const one = await besideLoop(threads, new BlockIntegral({ slots: SLOTS }), rounds)
    const each = await besideLoop(threads, new EachIntegral({ slots: SLOTS }), rounds)
    return [
      { what: 'bare loop, 2 warm threads', value: ms(one.loop) },
      { what: 'Pymar in blocks, 2 warm slots, mapFn gives one value per block', value: ms(one.own), ratio: one.ratio, target: TARGET },
      { what: 'the same, mapFn is block.map(...), reduceFn is for-of', value: ms(each.own), ratio: each.ratio },
    ]
  } finally {
    await threads.close()
  }
}

/** Each job has slots of its own: what one does to a function's type feedback is not the other's cost. */
async function besideLoop(threads: Threads, producer: BlockIntegral | EachIntegral, rounds: Rounds) {
  const halves = partitions(SLOTS)
  try {
    const [bare, answer] = [await threads.integrate(halves), await producer.map(PointBlocks)]
    if (!(Math.abs(answer / bare - 1) < TOLERANCE)) throw new Error(`By the bare loop the integral is ${bare}, with Pymar ${answer}`)
    const [loop = [], own = []] = await interleave(
      [
        { name: 'loop', run: () => threads.integrate(halves) },
        { name: 'pymar', run: () => producer.map(PointBlocks) },
      ],
      rounds,
    )
    return { loop: median(loop), own: median(own), ratio: ratio(own, loop) }
  } finally {
    await producer.close()
  }
}

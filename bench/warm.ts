import { length, partitionCount, partitions } from './integration/functions.mjs'
import { Integral, Points } from './integration/job.mjs'
import { Threads } from './integration/threads.mjs'
import { interleave, median, ratio } from './measure.ts'
import { ms, type Row } from './table.ts'

const SLOTS = 2
const TARGET = 1.1
export const POINTS = `${length / 1e6} million points, ${partitionCount} partitions`

/** The integration on two warm slots beside two warm threads, written by hand, that call the same three functions. */
export async function warm(quick: boolean): Promise<Row[]> {
  const { peer, own } = await besideThreads(new Integral({ slots: SLOTS }), quick)
  return [
    { what: `worker_threads by hand, 2 warm threads, ${POINTS}`, value: ms(median(peer)) },
    { what: 'Pymar, 2 warm slots, the same functions', value: ms(median(own)), ratio: ratio(own, peer), target: TARGET },
  ]
}

/** Times a producer of the integration, wherever it computes, and two threads in turn. It is closed in the end. */
export async function besideThreads(producer: Integral, quick: boolean): Promise<{ peer: readonly number[]; own: readonly number[] }> {
  const threads = new Threads(SLOTS)
  const parts = partitions()
  try {
    // The same partitions are reduced in the same order, so the answers are equal to the last bit.
    const [byHand, answer] = [await threads.integrate(parts), await producer.map(Points)]
    if (byHand !== answer) throw new Error(`By hand the integral is ${byHand}, with Pymar ${answer}`)
    const [peer = [], own = []] = await interleave(
      [
        { name: 'threads', run: () => threads.integrate(parts) },
        { name: 'pymar', run: () => producer.map(Points) },
      ],
      quick ? { warmups: 1, measured: 5 } : { warmups: 3, measured: 15 },
    )
    return { peer, own }
  } finally {
    await Promise.all([threads.close(), producer.close()])
  }
}

/** Something that is timed, beside others. */
export interface Contestant {
  readonly name: string
  run(): Promise<unknown>
}

export interface Rounds {
  /** Rounds that are not counted. */
  readonly warmups: number
  readonly measured: number
}

/** Milliseconds of each contestant, by round. */
export type Times = readonly (readonly number[])[]

/**
 * Times contestants against each other: each runs once a round, and each goes first in turn, so that whatever slows the
 * machine for a while slows all of them.
 *
 * @returns For each contestant, in the order given, its milliseconds in each round.
 */
export async function interleave(contestants: readonly Contestant[], { warmups, measured }: Rounds): Promise<Times> {
  const times: number[][] = contestants.map(() => [])
  for (let round = 0; round < warmups + measured; round++) {
    for (let turn = 0; turn < contestants.length; turn++) {
      const at = (round + turn) % contestants.length
      const started = performance.now()
      await contestants[at]?.run()
      if (round >= warmups) times[at]?.push(performance.now() - started)
    }
  }
  return times
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const [low = Number.NaN, high = Number.NaN] = sorted.slice(sorted.length % 2 === 0 ? middle - 1 : middle)
  return sorted.length % 2 === 0 ? (low + high) / 2 : low
}

/** The median, over the rounds, of how much longer one contestant took than the other in the same round. */
export function ratio(times: readonly number[] = [], peer: readonly number[] = []): number {
  return median(times.map((time, round) => time / (peer[round] ?? Number.NaN)))
}

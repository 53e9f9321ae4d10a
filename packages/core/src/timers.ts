/**
 * Time as it was when this package was loaded: what a test fakes later must not stop a job.
 *
 * @internal
 */
export const { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate } = globalThis

/** @internal */
export const nextTick = process.nextTick.bind(process)

/** @internal */
export const now = performance.now.bind(performance)

/** Time as those see it who can be given another one: a simulation's. */
export interface Clock {
  now(): number
  setTimeout(then: () => void, ms: number): unknown
  clearTimeout(timer: unknown): void
}

export const CLOCK: Clock = { now, setTimeout, clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout) }

/**
 * Waits for something, but not for longer than so many milliseconds.
 *
 * @throws {Error} With this message, if it takes longer.
 * @internal
 */
export async function withLimit<T>(work: Promise<T>, limitMs: number, message: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(message)), limitMs)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

const LONGEST_TIMER_MS = 2 ** 31 - 1

/** Keeps the process alive until something has ended that would not do so itself: neither sockets nor slots do. */
export async function keepAlive<T>(work: Promise<T>): Promise<T> {
  const alive = setInterval(() => {}, LONGEST_TIMER_MS)
  try {
    return await work
  } finally {
    clearInterval(alive)
  }
}

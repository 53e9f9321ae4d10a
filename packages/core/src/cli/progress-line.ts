import { clearLine, cursorTo } from 'node:readline'
import type { WriteStream } from 'node:tty'
import type { JobObserver } from '../host.ts'
import type { Progress } from '../options.ts'

const REDRAW_MS = 100
/** Of a terminal that does not know its width. */
const COLUMNS = 80
const SECONDS = 1000

/** One line on a terminal that tells how far the jobs of a script are; it is gone when they are done. */
export class ProgressLine {
  readonly #terminal: WriteStream
  readonly #jobs = new Map<string, Progress | undefined>()
  #timer: NodeJS.Timeout | undefined
  #started = 0

  constructor(terminal: WriteStream) {
    this.#terminal = terminal
  }

  jobStarted(name: string): JobObserver {
    const key = `${name} ${this.#started++}`
    this.#jobs.set(key, undefined)
    this.#timer ??= setInterval(() => this.#draw(), REDRAW_MS).unref()
    return {
      located: () => {},
      progress: (progress) => this.#jobs.set(key, progress),
      ended: () => {
        this.#jobs.delete(key)
        if (this.#jobs.size > 0) return
        clearInterval(this.#timer)
        this.#timer = undefined
        this.#clear()
      },
    }
  }

  #draw() {
    const known = [...this.#jobs.values()].filter((progress) => progress !== undefined)
    this.#clear()
    if (known.length > 0) this.#terminal.write(describe(known).slice(0, (this.#terminal.columns || COLUMNS) - 1))
  }

  #clear() {
    clearLine(this.#terminal, 0)
    cursorTo(this.#terminal, 0)
  }
}

/** Done of total, rate, slots, and the time left at this rate: `3/8 partitions, 12.5/s, 4 slots, 1 s left`. */
export function describe(jobs: readonly Progress[]): string {
  const sum = (count: (progress: Progress) => number) => jobs.reduce((total, progress) => total + count(progress), 0)
  const [done, partitions] = [sum((job) => job.done), sum((job) => job.partitions)]
  const seconds = Math.max(...jobs.map((job) => job.elapsedMs)) / SECONDS
  const slots = Math.max(...jobs.map((job) => job.workers))
  const rate = seconds > 0 ? done / seconds : 0
  const parts = [`${done}/${partitions} partitions`, `${rate.toPrecision(3)}/s`, `${slots} slots`]
  if (rate > 0) parts.push(`${duration((partitions - done) / rate)} left`)
  return [...(jobs.length > 1 ? [`${jobs.length} jobs`] : []), ...parts].join(', ')
}

function duration(seconds: number): string {
  const whole = Math.ceil(seconds)
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)]
  if (hours > 0) return `${hours} h ${minutes} min`
  return minutes > 0 ? `${minutes} min ${whole % 60} s` : `${whole} s`
}

import type { Partition } from '../data-source.ts'
import { PymarError } from '../errors.ts'
import { PartialFeed } from './partial-feed.ts'

/** A promise of a job's result that can also be watched and cancelled. */
export interface Job<Result> extends Promise<Result> {
  readonly id: string
  /** Fails the job with `CANCELLED`, whose `cause` is the reason. Its slots are free within a second. */
  cancel(reason?: unknown): void
  /**
   * Partials as they arrive, from when this is called; each call gives a reader of its own. They wait in memory, encoded,
   * until they are read. A job that fails throws its error here, and then nobody needs to await the job itself.
   */
  partials(): AsyncIterable<{ partition: Partition; value: unknown }>
}

/** What the two sides of a job share: the promise that the caller holds, and the run that settles it. */
export interface JobControl {
  readonly id: string
  /** Aborted by `cancel()`. */
  readonly signal: AbortSignal
  /** Who reads partials. */
  readonly feeds: Set<PartialFeed>
}

class JobPromise<Result> extends Promise<Result> implements Job<Result> {
  id = ''
  readonly #abort = new AbortController()
  readonly #feeds = new Set<PartialFeed>()
  #ended: { error?: unknown } | undefined

  static override get [Symbol.species]() {
    return Promise
  }

  get control(): JobControl {
    return { id: this.id, signal: this.#abort.signal, feeds: this.#feeds }
  }

  cancel(reason?: unknown): void {
    if (!this.#ended) this.#abort.abort(reason)
  }

  partials(): AsyncIterable<{ partition: Partition; value: unknown }> {
    this.catch(() => {})
    const feed = new PartialFeed((closed) => this.#feeds.delete(closed))
    if (this.#ended) feed.end(this.#ended)
    else this.#feeds.add(feed)
    return feed
  }

  end(end: { error?: unknown }): void {
    this.#ended = end
    for (const feed of this.#feeds) feed.end(end)
    this.#feeds.clear()
  }
}

/**
 * Starts a job.
 *
 * @param entry What the user called: errors of the job show where that was, instead of where in here they were made.
 * @param run Settles the job, by what it returns or throws. It begins at once, but ends after this function has returned.
 */
export function startJob<Result>(entry: Function | undefined, run: (control: JobControl) => Promise<unknown>): Job<Result> {
  const origin = { stack: '' }
  Error.captureStackTrace(origin, entry ?? startJob)
  let settle: { resolve(value: Result): void; reject(error: unknown): void } | undefined
  const job = new JobPromise<Result>((resolve, reject) => {
    settle = { resolve, reject }
  })
  job.id = newId()
  run(job.control).then(
    (value) => {
      job.end({})
      settle?.resolve(value as Result)
    },
    (error) => {
      if (error instanceof PymarError && !Object.isFrozen(error)) error.stack = `${error}${frames(origin.stack)}`
      job.end({ error })
      settle?.reject(error)
    },
  )
  return job
}

/** Unique among all jobs on a broker. Of `Math.random()`, since loading what is better takes 4 ms, and that nobody can guess it matters to nobody. */
function newId(): string {
  const half = () =>
    Math.floor(Math.random() * 2 ** 32)
      .toString(16)
      .padStart(8, '0')
  return half() + half()
}

function frames(stack: string): string {
  const start = stack.indexOf('\n    at ')
  return start < 0 ? '' : stack.slice(start)
}

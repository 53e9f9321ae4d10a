import type { Partition } from '../data-source.ts'
import { type JobRequest, JobRun } from './job-run.ts'

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

class JobPromise<Result> extends Promise<Result> implements Job<Result> {
  id = ''
  run: JobRun | undefined

  static override get [Symbol.species]() {
    return Promise
  }

  cancel(reason?: unknown): void {
    this.run?.cancel(reason)
  }

  partials(): AsyncIterable<{ partition: Partition; value: unknown }> {
    this.catch(() => {})
    return this.run?.partials() ?? nothing()
  }
}

async function* nothing() {}

/**
 * Starts a job. What `prepare` throws rejects the promise.
 *
 * @param ended Called once, when the job has ended and its slots are let go.
 */
export function startJob<Result>(id: string, prepare: () => JobRequest, ended: () => void): Job<Result> {
  let settle: { resolve(value: unknown): void; reject(error: unknown): void } | undefined
  const job = new JobPromise<Result>((resolve, reject) => {
    settle = {
      resolve(value) {
        ended()
        resolve(value as Result)
      },
      reject(error) {
        ended()
        reject(error)
      },
    }
  })
  job.id = id
  try {
    job.run = new JobRun(prepare(), settle as NonNullable<typeof settle>)
  } catch (error) {
    // Later, as any other end of a job: the caller has the promise first.
    queueMicrotask(() => settle?.reject(error))
  }
  return job
}

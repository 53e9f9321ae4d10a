import { BOOLEAN, type Check, COUNT, FUNCTION, oneOf, POSITIVE, TIME_MS } from './checks.ts'

/** How far a job is. */
export interface Progress {
  /** Partitions of the job. */
  partitions: number
  /** Partitions whose partial has been counted. */
  done: number
  /** Partitions that are being computed now. */
  running: number
  /** Processes that compute: slots in local mode. */
  workers: number
  /** Milliseconds since the job started. */
  elapsedMs: number
}

/** Options of a producer: where its jobs are computed. */
export interface ProducerOptions {
  /** True: this machine's cores although a broker is named in `PYMAR_QUEUE`. Default false. */
  localMode?: boolean
  /** Processes that compute in local mode. Integer from 1. Default: the cores of this machine. */
  slots?: number
  /** Heap of one slot in MiB. Integer from 1. Default: Node's own limit. */
  slotMemory?: number
  /** The module that slots load: a file URL, or a path, from the working directory. Default: the file where the class was defined. */
  module?: string | URL
}

/** Options of one job. */
export interface MapOptions {
  /** Milliseconds that the job may take; past them it fails with `TIMEOUT`. Default: no limit. */
  timeoutMs?: number
  /** Milliseconds for one attempt at one partition; past them `retries` are used, then the job fails with `TIMEOUT`. Default: no limit. */
  partitionTimeoutMs?: number
  /** What `timeoutMs` does. `'fail'` (default), or `'local'`: the missing partitions are computed on this machine's cores, without a limit. */
  onTimeout?: 'fail' | 'local'
  /** Cancels the job: it fails with `CANCELLED`, whose `cause` is the signal's reason. */
  signal?: AbortSignal
  /** Called when the partitions are known and whenever one of them is done, on the thread that started the job. */
  onProgress?: (progress: Progress) => void
  /** How often a partition whose code threw, or ran out of its time, is tried again. Integer from 0. Default 0. */
  retries?: number
  /** Attempts at one partition that may be lost with their slot; the last one fails the job with `WORKER_LOST`. Integer from 1. Default 3. */
  maxAttempts?: number
}

const isModule = (value: unknown) => (typeof value === 'string' && value !== '') || value instanceof URL

export const PRODUCER_OPTIONS: Readonly<Record<keyof ProducerOptions, Check>> = {
  localMode: BOOLEAN,
  slots: POSITIVE,
  slotMemory: POSITIVE,
  module: { holds: isModule, rule: 'a path or a file URL' },
}

export const MAP_OPTIONS: Readonly<Record<keyof MapOptions, Check>> = {
  timeoutMs: TIME_MS,
  partitionTimeoutMs: TIME_MS,
  onTimeout: oneOf('fail', 'local'),
  signal: { holds: (value) => value instanceof AbortSignal, rule: 'an AbortSignal' },
  onProgress: FUNCTION,
  retries: COUNT,
  maxAttempts: POSITIVE,
}

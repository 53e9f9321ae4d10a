import type { Partition } from '../data-source.ts'
import { type ErrorCode, messageOf, PymarError } from '../errors.ts'
import type { Loss, Where } from '../transport/port.ts'

/** What the errors of one job say about it. */
export interface JobNames {
  readonly producer: string
  readonly partitions: number
}

/** Errors that name what they are about themselves. */
const SELF_EXPLAINED: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['UNSERIALIZABLE', 'TOO_LARGE', 'JOB_FILE'])

/** How the last attempt at a task failed. */
export interface Failure {
  readonly code: ErrorCode
  /** What was thrown. */
  readonly error: unknown
  readonly where: Where
  /** Which attempt it was, from 1. */
  readonly attempt: number
  /** Whether there was nothing to reduce, since the source is empty. */
  readonly empty: boolean
}

/** What may be wrong with a `reduceFn` that throws. */
const OF_NOTHING = '; the source is empty, and reduceFn was called with no values'
const OF_PARTIALS = '; reduceFn gets what it returned before here, and must accept it'

/** User code threw where it was computed. Without a partition it was a reduction. */
export function failedError(names: JobNames, partition: Partition | undefined, { code, error, where, attempt, empty }: Failure): unknown {
  if (SELF_EXPLAINED.has(code) && error instanceof PymarError) return error
  const which = attempt > 1 ? `, in attempt ${attempt}` : ''
  const ofReduce = empty ? OF_NOTHING : OF_PARTIALS
  const hint = partition || code !== 'USER_ERROR' ? '' : ofReduce
  // A source says what failed in an error of ours, whose cause is the driver's.
  const cause = code === 'SOURCE_FAILED' && error instanceof PymarError ? (error.cause ?? error) : error
  return new PymarError(code, `Cannot ${whatOf(names, partition)} on ${where}${which}: ${messageOf(error)}${hint}`, { cause })
}

/** Items of in-memory data, or a hint, threw when they were read. */
export function unreadableError(names: JobNames, partition: Partition, error: unknown): PymarError {
  return new PymarError('USER_ERROR', `Cannot ${whatOf(names, partition)}: reading its items threw ${messageOf(error)}`, { cause: error })
}

export function lostError(names: JobNames, partition: Partition | undefined, losses: readonly Loss[]): PymarError {
  const attempts = losses.map(({ host, pid, exit }) => `${host} pid ${pid} (${exit})`).join(', ')
  const counted =
    losses.length === 1 ? 'the process was lost in its only attempt' : `the process was lost in each of ${losses.length} attempts`
  const advice = 'see its last lines on stderr, and raise slotMemory if it ran out of memory'
  return new PymarError('WORKER_LOST', `Cannot ${whatOf(names, partition)}: ${counted}: ${attempts}; ${advice}`)
}

export function partitionTimeoutError(names: JobNames, partition: Partition, limitMs: number): PymarError {
  return new PymarError(
    'TIMEOUT',
    `Cannot ${whatOf(names, partition)} within partitionTimeoutMs ${limitMs}; raise it, or split into more partitions`,
  )
}

export function timeoutError(names: JobNames, done: number, limitMs: number): PymarError {
  const found = `${done} of ${names.partitions} partitions are done`
  return new PymarError(
    'TIMEOUT',
    `Cannot finish the job of ${names.producer} within timeoutMs ${limitMs}: ${found}; raise it, or add slots`,
  )
}

export function cancelledError(producer: string, reason: unknown): PymarError {
  const why = reason === undefined ? '' : `: ${reason instanceof Error && reason.name === 'Error' ? reason.message : messageOf(reason)}`
  return new PymarError('CANCELLED', `Cannot finish the job of ${producer}: it was cancelled${why}`, { cause: reason })
}

function whatOf({ producer, partitions }: JobNames, partition: Partition | undefined): string {
  if (!partition) return `reduce the partials of ${producer}`
  const { index, offset, limit } = partition
  return `compute partition ${index} of ${partitions} (offset ${offset}, limit ${limit})`
}

import { COUNT, check, isCount, show } from '../checks.ts'
import type { Partition, Plan, PlanContext, SourceClass } from '../data-source.ts'
import { messageOf, PymarError } from '../errors.ts'
import { clearTimeout, setTimeout } from '../timers.ts'
import type { Given } from './given.ts'

/** Partitions by index. An array is one; the even split computes each when it is asked for, so that a million cost nothing. */
export interface PartitionList {
  readonly length: number
  at(index: number): Partition | undefined
}

/** A {@link Plan} that has been checked. */
export interface JobPlan extends Pick<Plan, 'shared' | 'lost' | 'resumable'> {
  readonly partitions: PartitionList
  readonly close?: () => Promise<void> | void
}

/** A plan is given this long to close before the job ends without it, in milliseconds. */
const CLOSE_LIMIT_MS = 2000

/**
 * Splits `length` items into at most `parts` contiguous partitions whose sizes differ by at most one.
 *
 * @param length Items to split. Integer from 0.
 * @param parts Partitions wanted. Integer >= 1; there are fewer when `length < parts`, and none when `length` is 0.
 * @param start Offset of the first item. `start + length` is at most 2^53 - 1.
 * @returns Partitions by ascending offset; the limits sum to `length`; no limit is 0.
 * @see Pymar's `divide()`, which gave 8 items on 4 workers as 3, 3, 2 and left one idle.
 *
 * @example
 * ```ts ignore
 * planPartitions(8, 3) // { index: 0, offset: 0, limit: 3 }, { index: 1, offset: 3, limit: 3 }, { index: 2, offset: 6, limit: 2 }
 * ```
 */
export function planPartitions(length: number, parts: number, start = 0): PartitionList {
  const count = Math.min(length, parts)
  const size = Math.floor(length / count)
  const larger = length % count
  return {
    length: count,
    at(index) {
      if (!(index >= 0 && index < count)) return undefined
      const offset = start + index * size + Math.min(index, larger)
      return { index, offset, limit: index < larger ? size + 1 : size }
    },
  }
}

/**
 * The partitions of a job: those of the source's own `partitions()` where it has one, else an even split.
 *
 * @throws {PymarError} `INVALID_ARGUMENT` if a length, range or partition is none; `USER_ERROR` if the source's code threw.
 */
export async function planJob(given: Given, count: number, signal: AbortSignal): Promise<JobPlan> {
  if (given.kind === 'data') return { partitions: planPartitions(given.items.length, count) }
  const { source, offset, limit, params } = given
  if (source.partitions) {
    const context: PlanContext = {
      params,
      ...(offset !== undefined && { offset }),
      ...(limit !== undefined && { limit }),
      length: () => lengthOf(source, params),
      signal,
    }
    const plan = await fromUser(source, 'partitions', () => source.partitions?.(count, context))
    try {
      return await fromUser(source, 'partitions', () => checkPlan(source, plan))
    } catch (error) {
      await closePlan(plan)
      throw error
    }
  }
  const start = offset ?? 0
  // A source with no length of its own can still be read where the range is given.
  const bounded = limit !== undefined && !hasOwnLength(source)
  const end = bounded ? start + limit : Math.min(start + (limit ?? Infinity), await lengthOf(source, params))
  return { partitions: planPartitions(Math.max(0, end - start), count, start) }
}

async function lengthOf(source: SourceClass, params: unknown): Promise<number> {
  if (!hasOwnLength(source)) {
    const found =
      'fullLength' in source.prototype ? 'it is not static; write static fullLength()' : 'it has none; add a static fullLength()'
    throw new PymarError('INVALID_ARGUMENT', `Cannot read fullLength() of ${source.name}: ${found}`)
  }
  const length = await fromUser(source, 'fullLength', () => source.fullLength(params))
  check(`fullLength() of ${source.name}`, length, COUNT)
  return length
}

/** Whether a subclass says how long it is; the base class, which has no class above it, does not. */
function hasOwnLength(source: SourceClass): boolean {
  for (let at: object = source; at; at = Object.getPrototypeOf(at)) {
    if (Object.hasOwn(at, 'fullLength')) return Object.getPrototypeOf(at) !== Function.prototype
  }
  return false
}

function checkPlan(source: SourceClass, plan: Plan | undefined): JobPlan {
  const refuse = (found: string) => new PymarError('INVALID_ARGUMENT', `Cannot use partitions() of ${source.name}: ${found}`)
  if (!Array.isArray(plan?.partitions)) throw refuse('it returned no { partitions: [...] }')
  Array.from(plan.partitions as readonly (Partition | undefined)[]).forEach((partition, i) => {
    const found = () => `partition ${i} is ${show(partition)}`
    if (partition?.index !== i) throw refuse(`${found()}, and its index must be ${i}`)
    if (!isCount(partition.offset) || !isCount(partition.limit)) {
      throw refuse(`${found()}, and its offset and limit must be integers from 0 to 2^53 - 1`)
    }
  })
  const { close, shared, lost, resumable } = plan
  if (close !== undefined && typeof close !== 'function') throw refuse('its close is no function')
  if (lost !== undefined && !(lost instanceof Promise)) throw refuse('its lost is no promise')
  return {
    partitions: [...plan.partitions],
    ...(shared !== undefined && { shared }),
    ...(lost && { lost }),
    ...(resumable !== undefined && { resumable }),
    ...(close && { close: () => close.call(plan) }),
  }
}

async function fromUser<T>(source: SourceClass, method: string, call: () => T | Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    if (error instanceof PymarError) throw error
    throw new PymarError('USER_ERROR', `Cannot plan the partitions of ${source.name}: its ${method}() threw ${messageOf(error)}`, {
      cause: error,
    })
  }
}

/** What a plan rests on is closed before the job ends; that it cannot be closed spoils no answer, but is said. */
export async function closePlan(plan: Pick<Plan, 'close'> | undefined): Promise<void> {
  if (!plan) return
  const warn = (found: string) => process.emitWarning(`Cannot close the plan of a job: ${found}`, 'PymarWarning')
  const closed = (async () => plan.close?.())().catch((error) => warn(messageOf(error)))
  let late: NodeJS.Timeout | undefined
  const limit = new Promise<void>((done) => {
    late = setTimeout(() => {
      warn(`it takes longer than ${CLOSE_LIMIT_MS} ms; the job ends without it`)
      done()
    }, CLOSE_LIMIT_MS)
  })
  await Promise.race([closed, limit])
  clearTimeout(late)
}

import { isAsyncIterable, isIterable } from '../checks.ts'
import type { Partition, PartitionContext } from '../data-source.ts'
import { type ErrorCode, PymarError } from '../errors.ts'
import { decode, encode } from '../wire/codec.ts'
import { describeError, type ErrorRecord } from '../wire/error-record.ts'
import { type Blocks, forEachBlock, gather } from './blocks.ts'
import { SequenceReducer } from './reduce.ts'

/** The static members of a producer class that a slot calls. */
export interface ProducerCode {
  readonly name: string
  readonly prototype: object
  readonly WORKERS_NUMBER: number
  readonly VERSION?: string
  mapFn(items: unknown, context: PartitionContext): unknown
  reduceFn(values: Iterable<unknown>): unknown
}

/** How a slot makes its own slice: the static side of a source class. */
export interface SourceCode {
  readonly name: string
  new (offset: number, limit: number, params: unknown): object
}

type Opener = (signal: AbortSignal) => Blocks

/** What all partitions of a job share: the params, and what the source's own plan adds to them. */
export interface Shared {
  readonly params?: unknown
  readonly plan?: unknown
}

/** One job as a slot has it: its code, found in the job file, and what its partitions share. */
export interface LoadedJob {
  readonly id: string
  readonly partitions: number
  readonly producer: ProducerCode
  readonly source?: SourceCode
  readonly shared: Shared
}

/** What there is to compute: a partition's slice, or partials that are to be reduced to one. */
export type Task =
  | {
      readonly kind: 'partition'
      readonly partition: Omit<Partition, 'hint'>
      readonly attempt: number
      /** The encoded hint of the source's plan. */
      readonly hint?: Uint8Array
      /** The encoded items of in-memory data. */
      readonly slice?: Uint8Array
    }
  | { readonly kind: 'reduction'; readonly partials: readonly Uint8Array[] }

/** How an attempt ended where it ran: with encoded bytes, or with what was thrown. */
export type Outcome = { readonly bytes: Uint8Array } | { readonly code: ErrorCode; readonly error: ErrorRecord }

/** Codes that a source, or the codec, says itself; anything else that is thrown is the user's. */
const OWN_CODES: ReadonlySet<string> = new Set<ErrorCode>(['SOURCE_FAILED', 'UNSERIALIZABLE', 'TOO_LARGE', 'JOB_FILE'])

/** The one way to compute anything, whatever the transport: decodes what it needs, runs user code, encodes what it gives. */
export async function perform(job: LoadedJob, task: Task, signal: AbortSignal): Promise<Outcome> {
  try {
    const value = task.kind === 'partition' ? await runPartition(job, task, signal) : await reduce(job, task.partials)
    return { bytes: encode(value, nameOf(job, task)) }
  } catch (thrown) {
    const code = thrown instanceof PymarError && OWN_CODES.has(thrown.code) ? thrown.code : 'USER_ERROR'
    return { code, error: describeError(thrown) }
  }
}

function reduce({ producer }: LoadedJob, partials: readonly Uint8Array[]): unknown {
  return producer.reduceFn(partials.map((bytes) => decode(bytes, `a partial of ${producer.name}`)))
}

async function runPartition(job: LoadedJob, task: Task & { kind: 'partition' }, signal: AbortSignal): Promise<unknown> {
  const { producer } = job
  const partition: Partition = task.hint ? { ...task.partition, hint: decode(task.hint) } : task.partition
  const source = task.slice ? decode(task.slice) : load(job, partition)
  const context: PartitionContext = { source, partition, job: job.id, attempt: task.attempt, signal }
  const open = opener(source)
  if (!open) return mapAndReduce(producer, source, context)
  return reduceBlocks(producer, open, signal, (block) => mapAndReduce(producer, block, context))
}

/** `reduceFn(mapFn(items))`, where either may be async. */
async function mapAndReduce(producer: ProducerCode, items: unknown, context: PartitionContext): Promise<unknown> {
  const mapped = await producer.mapFn(items, context)
  if (isIterable(mapped)) return producer.reduceFn(mapped)
  if (!isAsyncIterable(mapped)) throw new TypeError(`mapFn of ${producer.name} returned no iterable`)
  return reduceBlocks(
    producer,
    () => gather(mapped),
    context.signal,
    (block) => producer.reduceFn(block as unknown[]),
  )
}

/** Computes a result per block, then reduces the results, in order. */
async function reduceBlocks(
  producer: ProducerCode,
  open: Opener,
  signal: AbortSignal,
  compute: (block: unknown) => unknown,
): Promise<unknown> {
  const results = new SequenceReducer((values) => producer.reduceFn(values))
  await forEachBlock(open, signal, async (block) => results.add(await compute(block)))
  return results.finish()
}

function load(job: LoadedJob, { offset, limit, hint }: Partition): object {
  const Source = job.source as SourceCode
  const { params, plan } = job.shared
  const source = new Source(offset, limit, params)
  if (hint !== undefined) Object.defineProperty(source, 'hint', { value: hint, enumerable: true })
  if (plan !== undefined) Object.defineProperty(source, 'shared', { value: plan, enumerable: true })
  return source
}

/** How to open a source that comes in blocks, or undefined for one that `mapFn` iterates itself. */
function opener(source: unknown): Opener | undefined {
  const { blocks } = source as { blocks?: Opener }
  if (typeof blocks === 'function') return (signal) => blocks.call(source, signal)
  if (isIterable(source)) return undefined
  if (isAsyncIterable(source)) return () => gather(source)
  const name = (source as object).constructor.name
  throw new TypeError(`${name} has nothing to iterate: it needs [Symbol.iterator], [Symbol.asyncIterator] or blocks()`)
}

/** How errors name what a task gives. */
function nameOf({ producer, partitions }: LoadedJob, task: Task): string {
  const returned = `what reduceFn of ${producer.name} returned`
  return task.kind === 'partition' ? `${returned} for partition ${task.partition.index} of ${partitions}` : `${returned} for partials`
}

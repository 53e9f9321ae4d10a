import { BOOLEAN, type Check, COUNT, isCount, oneOf, show } from '../checks.ts'
import { type ErrorCode, PymarError } from '../errors.ts'

/*
 * What producers and workers say to each other over a broker. Values of user code are payloads beside a message, already encoded.
 * Whatever comes is checked against the tables below: a message with a field that is missing or of another kind is none of ours.
 */

/** Part of every name on the broker: programs whose versions differ here never meet. */
export const PROTOCOL = 1

// ------------------------------------------------------- to a task queue: whichever worker takes it

/** Partitions to compute. Its payload is what the job shares, then of each task its hint and its items, where there are any. */
export interface PartitionsMessage {
  readonly type: 'partitions'
  readonly job: string
  /** Partitions of the job. */
  readonly of: number
  /** The source class; not there where tasks carry their items. */
  readonly source?: string
  /** Bytes of what the job shares in the payload; -1 where that is to be fetched. */
  readonly shared?: number
  /** Whether they are worth computing while nobody waits for the answers: these are kept for whoever goes on with the job. */
  readonly keep?: boolean
  readonly tasks: readonly TaskEntry[]
}

/** A partition's place, with the bytes that its hint and its items take in the payload: -1 for items that are to be fetched. */
export type TaskEntry = readonly [index: number, attempt: number, offset: number, limit: number, hintBytes?: number, itemBytes?: number]

/** Calls of a function of the job file. Its payload is their arguments. */
interface CallsMessage {
  readonly type: 'calls'
  readonly session: string
  readonly function: string
  readonly calls: readonly (readonly [id: number, attempt: number, argumentBytes: number])[]
}

/** One reducer of a keyed job, to be run by the worker that takes this. */
interface ReducerMessage {
  readonly type: 'reducer'
  readonly job: string
  readonly reducer: number
  readonly attempt: number
}

/** Whoever takes it says that it came: then what was in the queue before it was given to somebody, or is lost. */
export interface MarkerMessage {
  readonly type: 'marker'
  readonly job: string
  readonly marker: number
}

export type TaskMessage = PartitionsMessage | CallsMessage | ReducerMessage | MarkerMessage

// ------------------------------------------------------- to a producer's reply queue

interface OfTask {
  readonly job: string
  readonly index: number
  readonly attempt: number
}

export type ReplyMessage =
  /** It takes longer than a moment. */
  | (OfTask & { readonly type: 'started' })
  /** Payload: the partial. */
  | (OfTask & { readonly type: 'partial'; readonly ms: number })
  /** Payload: an error record. */
  | (OfTask & { readonly type: 'failed'; readonly code: ErrorCode })
  /** The slot that ran it is gone. */
  | (OfTask & { readonly type: 'lost'; readonly pid: number; readonly exit: string })
  /** It was given back before it began. */
  | (OfTask & { readonly type: 'returned' })
  /** The worker acknowledged it early, since it takes longer than brokers wait. */
  | (OfTask & { readonly type: 'holding' })
  /** This marker came to a worker. */
  | { readonly type: 'came'; readonly job: string; readonly marker: number }
  /** Asks for what a job shares, or for the items of one task. */
  | { readonly type: 'fetch'; readonly job: string; readonly what: 'shared' | 'items'; readonly index: number }
  /** Answers `who`: the code that this worker runs, and the tasks that it holds. */
  | {
      readonly type: 'here'
      readonly slots: number
      readonly producer: string
      readonly fingerprint: string
      readonly holds: readonly (readonly [job: string, index: number, attempt: number, isRunning: 0 | 1])[]
    }
  /** The worker leaves, and what it held goes back. */
  | { readonly type: 'leaving' }
  /** What a worker has done, for those who watch. */
  | { readonly type: 'statistics'; readonly done: number; readonly busyMs: number }

// ------------------------------------------------------- to workers: to those of a queue or a name, or to one of them

export type ControlMessage =
  /** Who is there? And, for those who do not take tasks from the queue with replicas: there are some. */
  | { readonly type: 'who'; readonly quorum?: boolean }
  /** Nobody waits for this job any more. */
  | { readonly type: 'stop'; readonly job: string }
  /** Nobody waits for this attempt any more. */
  | (OfTask & { readonly type: 'stop-task' })
  /** Payload: what was fetched; none, if the producer does not have it any more. */
  | { readonly type: 'data'; readonly job: string; readonly what: 'shared' | 'items'; readonly index: number }
  /** Payload: a constant that a script shares with its calls. */
  | { readonly type: 'constant'; readonly session: string; readonly name: string }

// ------------------------------------------------------- the tables

type Table = Readonly<Record<string, Check>>

const ID: Check = { holds: (value) => typeof value === 'string' && /^[\w.:-]{1,128}$/.test(value), rule: 'an id' }
const TEXT: Check = { holds: (value) => typeof value === 'string' && value.length <= 4096, rule: 'a text' }
const NUMBER: Check = { holds: (value) => Number.isFinite(value) && (value as number) >= 0, rule: 'a number from 0' }
const BYTES: Check = { holds: (value) => value === -1 || isCount(value), rule: 'a number of bytes' }
const WHAT = oneOf('shared', 'items')
const OF_TASK: Table = { job: ID, index: COUNT, attempt: COUNT }

function optional({ holds, rule }: Check): Check {
  return { holds: (value) => value === undefined || holds(value), rule }
}

function listOf(rule: string, isEntry: (entry: unknown[]) => boolean, least = 0): Check {
  return {
    holds: (value) => Array.isArray(value) && value.length >= least && value.every((entry) => Array.isArray(entry) && isEntry(entry)),
    rule: `a list of ${rule}`,
  }
}

const areCounts = (values: unknown[]) => values.every(isCount)
const ENTRIES = listOf(
  'tasks',
  ([index, attempt, offset, limit, hint = 0, items = 0, ...more]) =>
    areCounts([index, attempt, offset, limit]) && BYTES.holds(hint) && BYTES.holds(items) && more.length === 0,
  1,
)
const HOLDS = listOf('tasks', ([job, ...numbers]) => ID.holds(job) && numbers.length === 3 && areCounts(numbers))
const CALLS = listOf('calls', (numbers) => numbers.length === 3 && areCounts(numbers), 1)

export const TASK_MESSAGES: MessageTables<TaskMessage> = {
  partitions: { job: ID, of: COUNT, source: optional(TEXT), shared: optional(BYTES), keep: optional(BOOLEAN), tasks: ENTRIES },
  calls: { session: ID, function: TEXT, calls: CALLS },
  reducer: { job: ID, reducer: COUNT, attempt: COUNT },
  marker: { job: ID, marker: COUNT },
}

export const REPLY_MESSAGES: MessageTables<ReplyMessage> = {
  started: OF_TASK,
  partial: { ...OF_TASK, ms: NUMBER },
  failed: { ...OF_TASK, code: TEXT },
  lost: { ...OF_TASK, pid: COUNT, exit: TEXT },
  returned: OF_TASK,
  holding: OF_TASK,
  came: { job: ID, marker: COUNT },
  fetch: { job: ID, what: WHAT, index: COUNT },
  here: { slots: COUNT, producer: TEXT, fingerprint: ID, holds: HOLDS },
  leaving: {},
  statistics: { done: COUNT, busyMs: NUMBER },
}

export const CONTROL_MESSAGES: MessageTables<ControlMessage> = {
  who: { quorum: optional(BOOLEAN) },
  stop: { job: ID },
  'stop-task': OF_TASK,
  data: { job: ID, what: WHAT, index: COUNT },
  constant: { session: ID, name: TEXT },
}

/** What each message has, by its type. */
export type MessageTables<Message extends { readonly type: string }> = Readonly<Record<Message['type'], Table>>

/**
 * Checks that a message is one of those in a table.
 *
 * @throws {PymarError} `INVALID_ARGUMENT` if it is none.
 */
export function readMessage<Message extends { readonly type: string }>(value: unknown, tables: MessageTables<Message>): Message {
  const refuse = (found: string) => new PymarError('INVALID_ARGUMENT', `Cannot read a message from the broker: ${found}`)
  if (typeof value !== 'object' || value === null) throw refuse(`${show(value)} is none`)
  const { type, ...fields } = value as Record<string, unknown>
  const table = Object.hasOwn(tables, type as string) ? (tables as Record<string, Table>)[type as string] : undefined
  if (!table) throw refuse(`there is no message ${show(type)}`)
  for (const [name, check] of Object.entries(table))
    if (!check.holds(fields[name])) throw refuse(`${name} of ${type} is ${show(fields[name])}`)
  return value as Message
}

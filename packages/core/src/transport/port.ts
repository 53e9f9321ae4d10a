import type { ErrorCode } from '../errors.ts'
import type { ProducerCode, SourceCode, Work } from '../job/run.ts'

/*
 * The port between a job's ledger and whatever carries its tasks. A transport moves tasks out and answers back; it never
 * decides whether a task is sent again. Answers may come late, twice or not at all: the ledger knows what counts.
 */

/** One attempt at one task. */
export interface Task {
  /** The partition's index; reductions are numbered after the partitions. */
  readonly id: number
  /** From 1. */
  readonly attempt: number
  readonly work: Work
}

/** One job, as a transport must know it. */
export interface JobSpec {
  readonly id: string
  /** Partitions of the job. */
  readonly partitions: number
  readonly producer: ProducerCode
  /** Not there where the data is in memory: then tasks carry their slices. */
  readonly source?: SourceCode & { readonly name: string }
  /** The encoded params of the source. */
  readonly params?: Uint8Array
  /** The URL of the job file, found when a transport first asks for it. */
  locate(): Promise<string>
}

/** Where something was computed: `slot 4711`, `worker host-2:4711`. */
export type Where = string

/** How an attempt was lost, with the slot or worker that ran it. */
export interface Loss {
  readonly host: string
  readonly pid: number
  readonly exit: string
}

/** Which attempt at which task something is said of. */
export type TaskAttempt = Pick<Task, 'id' | 'attempt'>

/** What a channel tells the job. */
export interface ChannelEvents {
  started(task: TaskAttempt): void
  partial(task: TaskAttempt, bytes: Uint8Array): void
  /** User code threw, or its result cannot travel. `error` is what was thrown, restored. */
  failed(task: TaskAttempt, code: ErrorCode, error: unknown, where: Where): void
  lost(task: TaskAttempt, loss: Loss): void
  /** It did not reach a place that computes, or was given back before it began: to be sent again, with no attempt counted. */
  returned(task: TaskAttempt): void
  /** There is room where there was none, though no task was answered. */
  room(): void
  /** No task of this job will ever be answered. */
  broken(error: unknown): void
}

/** One job's way to the places that compute. */
export interface Channel {
  /** Says who is told what becomes of the tasks. Called once, before the first is sent. */
  listen(events: ChannelEvents): void
  /** Whether another task would be of use now; asked again after each event. */
  readonly hasRoom: boolean
  /** Processes that compute. */
  readonly workers: number
  send(task: Task): void
  /** Nobody waits for this attempt any more. */
  stop(task: Task): void
  /** Stops all that is under way. No event follows. */
  close(): void
}

export interface Transport {
  /** @param tasks At most so many tasks will be under way at once: nothing more needs to be started. */
  open(job: JobSpec, tasks: number): Promise<Channel>
  /** Lets go of what was opened, and ends it if nobody else uses it; idempotent. */
  close(): Promise<void>
  /** Lets go of what was opened, and leaves it warm for a while, for the next job. */
  release(): void
}

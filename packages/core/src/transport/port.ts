import type { ErrorCode } from '../errors.ts'
import type { ProducerCode, SourceCode, Work } from '../job/run.ts'

/*
 * The port between a job's ledger and whatever carries its tasks. A transport moves tasks out and answers back; it never
 * decides whether a task is sent again. Answers may come late, twice or not at all: the ledger knows what counts.
 */

/** One attempt at one task. The object itself is the key: answers to an earlier attempt are told apart by it. */
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

/** What a channel tells the job. */
export interface ChannelEvents {
  started(task: Task): void
  partial(task: Task, bytes: Uint8Array): void
  /** User code threw, or its result cannot travel. `error` is what was thrown, restored. */
  failed(task: Task, code: ErrorCode, error: unknown, where: Where): void
  lost(task: Task, loss: Loss): void
  /** No task of this job will ever be answered. */
  broken(error: unknown): void
}

/** One job's way to the places that compute. */
export interface Channel {
  /** Says who is told what becomes of the tasks. Called once, before the first is sent. */
  listen(events: ChannelEvents): void
  /** Whether another task would be of use now; asked again after each answer. */
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
  /** Lets go of what was opened; idempotent. */
  close(): Promise<void>
}

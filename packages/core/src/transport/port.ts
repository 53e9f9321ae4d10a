import type { ErrorCode } from '../errors.ts'
import type { JobCode } from '../job/locate.ts'
import type { ProducerCode, Shared, SourceCode, Task } from '../job/run.ts'

/*
 * The port between a job's ledger and whatever carries its tasks. A transport moves tasks out and answers back; it never
 * decides whether a task is sent again. Answers may come late, twice or not at all: the ledger knows what counts.
 */

/** Which attempt at which task. */
export interface AttemptId {
  /** The partition's index; reductions are numbered after the partitions. */
  readonly id: number
  /** From 1. */
  readonly attempt: number
}

/** Tells attempts of one job apart. */
export function keyOf({ id, attempt }: AttemptId): string {
  return `${id} ${attempt}`
}

/** One attempt at one task. */
export interface Attempt extends AttemptId {
  readonly task: Task
}

/** What is known of earlier runs of a job that has a checkpoint. */
export interface Kept {
  /** Ids of runs whose process did not end them: answers to their tasks may wait, and workers go on with these. */
  readonly earlier: readonly string[]
  /** Nothing of an earlier run is left. */
  over(run: string): void
}

/** One job, as a transport must know it. */
export interface JobSpec {
  readonly id: string
  /** Partitions of the job. */
  readonly partitions: number
  readonly producer: ProducerCode
  /** Not there where the data is in memory: then tasks carry their slices. */
  readonly source?: SourceCode
  /** What its partitions share: encoded {@link Shared}. */
  readonly shared?: Uint8Array
  /** There where the job has a checkpoint: then its tasks are worth computing while its process is not there. */
  readonly kept?: Kept
  /** Finds the job file and the classes in it, when a transport first asks for them. */
  locate(): Promise<JobCode>
}

/** Where something was computed: `slot pid 4711`, `worker host-2 pid 4711`. */
export type Where = string

/** How an attempt was lost, with the slot or worker that ran it. */
export interface Loss {
  readonly host: string
  readonly pid: number
  readonly exit: string
}

/** What a channel tells the job. */
export interface ChannelEvents {
  /** @returns Whether somebody waits for the answer of this task. */
  started(attempt: AttemptId): boolean
  partial(attempt: AttemptId, bytes: Uint8Array): void
  /** User code threw, or its result cannot travel. `error` is what was thrown, restored. */
  failed(attempt: AttemptId, code: ErrorCode, error: unknown, where: Where): void
  lost(attempt: AttemptId, loss: Loss): void
  /** What computed it is gone, and the broker has somebody else compute it: the loss counts, and nothing is sent again. */
  redelivered(attempt: AttemptId, loss: Loss): void
  /** It did not reach a place that computes, or was given back before it began: to be sent again, with no attempt counted. */
  returned(attempt: AttemptId): void
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
  send(attempt: Attempt): void
  /** Nobody waits for this attempt any more. */
  stop(attempt: Attempt): void
  /**
   * Stops all that is under way. No event follows.
   *
   * @returns Whether those who compute it hear that. Otherwise some may go on, as far as the job is kept.
   */
  close(): boolean
}

export interface Transport {
  /** @param tasks At most so many tasks will be under way at once: nothing more needs to be started. */
  open(job: JobSpec, tasks: number): Promise<Channel>
  /** Lets go of what was opened, and ends it if nobody else uses it; idempotent. */
  close(): Promise<void>
  /** Lets go of what was opened, and leaves it warm for a while, for the next job. */
  release(): void
}

/** The transport that a producer's options ask for, and what its jobs may go on with. */
export interface Opened {
  readonly transport: Transport
  /** What a job goes on with on this machine; not there where it is computed here anyway. */
  readonly fallback?: () => Transport
  /** Whether it does so where the broker cannot be reached, not only when its time is over. */
  readonly withoutBroker?: boolean
}

import type { PymarError } from '../errors.ts'
import { setTimeout } from '../timers.ts'
import { decode } from '../wire/codec.ts'
import { type ErrorRecord, restoreError } from '../wire/error-record.ts'
import type { ReplyMessage, TaskMessage } from '../wire/protocol.ts'
import type { AmqpClient, JobPost } from './amqp-client.ts'
import { AttemptSet } from './attempt-set.ts'
import { EarlierRuns, LiveRun } from './earlier-runs.ts'
import { LostTasks } from './lost-tasks.ts'
import type { Attempt, AttemptId, Channel, ChannelEvents, JobSpec } from './port.ts'
import { type PartitionAttempt, TaskBatches } from './task-batch.ts'
import { TaskOutbox } from './task-outbox.ts'
import type { Workers } from './workers.ts'

/** Tasks that are out at once: many times what workers hold, so that one that joins late finds some. */
const WINDOW = 1024
/** Milliseconds before a broker is asked again that has not answered. */
const AGAIN_MS = 1000
/** How an attempt ended whose worker nobody finds any more. */
const GONE = 'its worker is gone'

export interface AmqpChannelSettings {
  readonly client: AmqpClient
  readonly job: JobSpec
  readonly queue: string
  /** Where reductions are computed. */
  readonly reductions: Channel
  readonly workers: Workers
  closed?(): void
}

/** One job's way to the workers that take its tasks from a queue; its reductions go to a channel of this machine. */
export class AmqpChannel implements Channel, JobPost {
  readonly #client: AmqpClient
  readonly #job: JobSpec
  readonly #queue: string
  readonly #reductions: Channel
  readonly #workers: Workers
  readonly #batches: TaskBatches
  readonly #lost: LostTasks
  /** What is out. */
  readonly #sent = new AttemptSet<PartitionAttempt>()
  readonly #outbox: TaskOutbox
  #events: ChannelEvents | undefined
  readonly #wasClosed: (() => void) | undefined
  #wasSent = false
  #closed = false
  readonly #earlier: EarlierRuns

  constructor({ client, job, queue, reductions, workers, closed }: AmqpChannelSettings) {
    this.#client = client
    this.#job = job
    this.#queue = queue
    this.#reductions = reductions
    this.#workers = workers
    this.#wasClosed = closed
    this.#batches = new TaskBatches(job)
    this.#outbox = new TaskOutbox({
      isOut: (attempt) => this.#sent.has(attempt),
      batches: (attempts) => this.#batches.of(attempts, workers.count),
      publish: (batch, confirmed) => client.task(queue, this.#batches.message(batch), confirmed),
      stuck: () => workers.refused(),
    })
    this.#earlier = new EarlierRuns({
      kept: job.kept,
      missedMs: client.missedMs,
      collect: (run) => this.#collect(run),
      isConnected: () => client.session !== undefined,
      over: () => this.#events?.room(),
      failed: (error) => this.failed(error),
    })
    this.#lost = new LostTasks({
      sent: this.#sent,
      published: () => this.#outbox.published(this.#sent),
      confirmed: () => this.#outbox.confirmed(this.#sent),
      // One that does not get there is followed by another.
      mark: (marker) => client.task(queue, { message: { type: 'marker', job: job.id, marker } }, () => {}),
      waiting: async () => (await workers.declare()).messageCount,
      consumersOfWorker: (worker) => client.consumersOfWorker(worker),
      workers: () => workers.present,
      ask: () => workers.ask(),
      again: (attempt) => this.#again(attempt),
      gone: (attempt, worker) => {
        this.#forget(attempt)
        this.#events?.lost(attempt, { ...placeOf(worker), exit: GONE })
      },
      redelivered: (attempt, worker) => this.#events?.redelivered(attempt, { ...placeOf(worker), exit: GONE }),
    })
  }

  listen(events: ChannelEvents): void {
    this.#events = events
    this.#reductions.listen(events)
    this.#client.join(this.#job.id, this)
    this.#workers.watch((error) => events.broken(error))
    void this.#earlier.take()
  }

  get hasRoom(): boolean {
    return this.#earlier.areOver && this.#sent.size < WINDOW
  }

  get workers(): number {
    return this.#workers.slots
  }

  send(attempt: Attempt): void {
    if (!isPartition(attempt)) return this.#reductions.send(attempt)
    this.#wasSent = true
    this.#sent.add(attempt)
    this.#outbox.add(attempt)
  }

  stop(attempt: Attempt): void {
    if (!isPartition(attempt)) return this.#reductions.stop(attempt)
    this.#forget(attempt)
    const { id: index, attempt: number } = attempt
    this.#client.control.workersOf(this.#queue, { type: 'stop-task', job: this.#job.id, index, attempt: number })
  }

  close(): boolean {
    const isHeard = this.#client.isHeard || !this.#wasSent
    if (this.#closed) return isHeard
    this.#closed = true
    this.#lost.close()
    this.#earlier.close()
    this.#workers.close()
    this.#client.leave(this.#job.id)
    this.#reductions.close()
    // Also where nothing is out any more: workers keep what a job shares, and may hold copies of its tasks.
    if (this.#wasSent) this.#client.control.stop(this.#queue, this.#job.id, this.#sent.size > 0)
    this.#sent.clear()
    this.#outbox.clear()
    this.#wasClosed?.()
    return isHeard
  }

  reply(message: ReplyMessage, payload: Uint8Array | undefined, worker: string): void {
    this.#workers.heard(worker)
    if (message.type === 'here') {
      const mine = message.holds.filter(([job]) => job === this.#job.id)
      this.#lost.holds(
        worker,
        mine.map(([, id, attempt]) => ({ id, attempt })),
      )
      for (const [job, id, attempt, isRunning] of mine) {
        // That it had begun may have been said to a broker that has lost it since.
        if (isRunning) this.#answer({ type: 'started', job, index: id, attempt }, { id, attempt }, undefined, worker)
      }
      return this.#workers.here(worker, message)
    }
    if (message.type === 'leaving') {
      this.#lost.left(worker)
      return this.#workers.left(worker)
    }
    if (!('job' in message)) return
    if (message.type === 'fetch') return this.#give(message, worker)
    if (message.type === 'came') return this.#lost.came(message.marker)
    this.#answer(message, { id: message.index, attempt: message.attempt }, payload, worker)
  }

  reconnected(): void {
    this.#workers.ask()
    void this.#lost.reconnected()
    void this.#earlier.take()
    this.#insist(() => this.#sendUnconfirmed())
  }

  failed(error: PymarError): void {
    this.#events?.broken(error)
  }

  otherVersion(worker: string, protocol: number): void {
    this.#workers.otherVersion(worker, protocol)
  }

  unroutable(message: TaskMessage): void {
    // The queue was deleted, or nobody used it for long.
    this.#insist(async () => {
      await this.#workers.declare()
      this.#sendAgain(message)
    })
  }

  /** Does what the broker may not have an answer for yet. A connection that is lost meanwhile ends that: the next one finds what is to be done. */
  #insist(work: () => Promise<void>) {
    const { session } = this.#client
    work().catch(() => {
      setTimeout(() => {
        if (!this.#closed && session && session === this.#client.session) this.#insist(work)
      }, AGAIN_MS).unref()
    })
  }

  async #collect(run: string): Promise<void> {
    if (await this.#client.isHeardOf(run)) throw new LiveRun(run)
    this.#client.control.stop(this.#queue, run, true)
    await this.#client.collect(run, (message, payload) => {
      // What waits is for the next run, then.
      if (this.#closed) throw new Error('the job is over')
      if (message.type === 'partial' && message.job === run)
        this.#events?.partial({ id: message.index, attempt: 0 }, payload ?? new Uint8Array(0))
    })
  }

  /** After a connection was lost: what the broker may not have, and all there is if it has lost the queue. */
  async #sendUnconfirmed() {
    const found = await this.#client.consumersOf(this.#queue)
    if (found === undefined) await this.#workers.declare()
    for (const attempt of found === undefined ? this.#outbox.published(this.#sent) : this.#outbox.unconfirmed) this.#again(attempt)
    this.#outbox.reconnected()
  }

  #sendAgain(message: TaskMessage) {
    if (message.type !== 'partitions') return
    for (const [id, attempt] of message.tasks) {
      const sent = this.#sent.find({ id, attempt })
      if (sent) this.#again(sent)
    }
  }

  #answer(message: ReplyMessage & AttemptOf, id: AttemptId, payload: Uint8Array | undefined, worker: string) {
    const sent = this.#sent.find(id)
    if (message.type === 'started') {
      if (sent) this.#lost.began(sent, worker)
      // Of one that is done: it was sent twice, or its answer came from somebody who is gone.
      if (!this.#events?.started(id))
        this.#client.control.worker(worker, { type: 'stop-task', job: message.job, index: id.id, attempt: id.attempt })
      return
    }
    if (message.type === 'holding') return sent ? this.#lost.holding(sent, worker) : undefined
    // Before it is taken for an answer: one that cannot be read is none.
    const error = message.type === 'failed' ? errorOf(payload) : undefined
    if (sent) this.#forget(sent)
    switch (message.type) {
      case 'partial':
        this.#batches.took(message.ms)
        return this.#events?.partial(id, payload ?? new Uint8Array(0))
      case 'failed':
        return this.#events?.failed(id, message.code, error, whereOf(worker))
      case 'lost':
        return this.#events?.lost(id, { ...placeOf(worker), pid: message.pid, exit: message.exit })
      case 'returned':
        this.#batches.returned()
        return this.#events?.returned(id)
    }
  }

  /** Sends what a worker asked for. */
  #give({ job, what, index }: ReplyMessage & { type: 'fetch' }, worker: string) {
    const data = what === 'shared' ? this.#job.shared : this.#sent.of(index)[0]?.task.slice
    // Without data it says that nobody waits for that task any more.
    this.#client.control.worker(worker, { type: 'data', job, what, index }, data)
  }

  #again(attempt: PartitionAttempt) {
    this.#forget(attempt)
    this.#events?.returned(attempt)
  }

  #forget(attempt: PartitionAttempt) {
    this.#sent.delete(attempt)
    this.#outbox.delete(attempt)
  }
}

interface AttemptOf {
  readonly index: number
  readonly attempt: number
}

function isPartition(attempt: Attempt): attempt is PartitionAttempt {
  return attempt.task.kind === 'partition'
}

/** A worker's id begins with its host and its pid. */
function placeOf(worker: string): { host: string; pid: number } {
  const [host = worker, pid] = worker.split(':')
  return { host, pid: Number(pid) }
}

function whereOf(worker: string): string {
  const { host, pid } = placeOf(worker)
  return `worker ${host} pid ${pid}`
}

function errorOf(payload: Uint8Array | undefined): unknown {
  return restoreError(decode(payload ?? new Uint8Array(0), 'an error') as ErrorRecord)
}

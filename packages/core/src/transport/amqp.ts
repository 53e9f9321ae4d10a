import type { PymarError } from '../errors.ts'
import { jobFileAt } from '../job/job-file.ts'
import type { Task } from '../job/run.ts'
import { clearInterval, nextTick, setInterval } from '../timers.ts'
import { decode } from '../wire/codec.ts'
import { type ErrorRecord, restoreError } from '../wire/error-record.ts'
import { fingerprintOf, keyOfQueue, keyOfWorker, taskQueue } from '../wire/names.ts'
import type { ReplyMessage, TaskEntry, TaskMessage } from '../wire/protocol.ts'
import { AmqpClient, type JobPost } from './amqp-client.ts'
import type { LinkSettings } from './amqp-link.ts'
import type { Attempt, AttemptId, Channel, ChannelEvents, JobSpec, Transport } from './port.ts'
import { Workers } from './workers.ts'

export interface AmqpSettings {
  readonly link: LinkSettings
  readonly namespace: string
  /** Milliseconds that a job waits with no worker; Infinity: for ever, saying so. */
  readonly workerTimeoutMs: number
  /** Where reductions are computed: on this machine. */
  readonly local: Transport
}

/** Clients of this process, by broker and namespace: producers that name the same share a connection and a reply queue. */
const clients = new Map<string, SharedClient>()

/** With the number of transports that are open on it. */
interface SharedClient {
  readonly client: AmqpClient
  users: number
}

/** Computes partitions on whatever workers take them from a broker, and reductions on this machine. */
export class AmqpTransport implements Transport {
  readonly #settings: AmqpSettings
  readonly #key: string
  readonly #shared: SharedClient
  readonly #client: AmqpClient
  #open = true

  constructor(settings: AmqpSettings) {
    const { link, namespace } = settings
    this.#settings = settings
    this.#key = JSON.stringify([link, namespace])
    const shared = clients.get(this.#key) ?? { client: new AmqpClient(link, namespace), users: 0 }
    clients.set(this.#key, shared)
    shared.users++
    this.#shared = shared
    this.#client = shared.client
  }

  async open(job: JobSpec, _tasks: number): Promise<Channel> {
    const { local, namespace, workerTimeoutMs } = this.#settings
    const opening = local.open(job, 1)
    const [code, reductions] = await Promise.all([job.locate(), opening, this.#client.open()]).catch((error) => {
      opening.then(
        (channel) => channel.close(),
        () => {},
      )
      throw error
    })
    const { code: text } = await jobFileAt(code.url)
    const { name, VERSION } = job.producer
    const fingerprint = fingerprintOf(text, VERSION, undefined)
    const queue = taskQueue(namespace, name, fingerprint)
    const workers = new Workers(this.#client, queue, { producer: name, fingerprint, url: code.url, workerTimeoutMs })
    return new AmqpChannel(this.#client, job, queue, reductions, workers)
  }

  async close(): Promise<void> {
    if (this.#leave()) {
      clients.delete(this.#key)
      await this.#client.close()
    }
    await this.#settings.local.close()
  }

  release(): void {
    this.#settings.local.release()
    // The connection stays for the next job; it keeps no process alive.
    this.#leave()
  }

  /** Whether nobody is left. */
  #leave(): boolean {
    if (!this.#open) return false
    this.#open = false
    return --this.#shared.users === 0
  }
}

/** Tasks that are out at once: many times what workers hold, so that one that joins late finds some. */
const WINDOW = 1024
/** Params of more bytes than this are fetched by each worker once. */
const INLINE_PARAMS_BYTES = 1024
/** Items of more bytes than this are fetched by the worker that got their task. */
const INLINE_ITEMS_BYTES = 256 * 1024
/** How often it is looked for tasks that are lost, in milliseconds. */
const LOST_CHECK_MS = 5000
/** Tasks of one message take so long, in milliseconds, so that its way hides behind them. */
const BATCH_MS = 5
const BATCH_LIMIT = 64
const LAST_WEIGHT = 0.1

type PartitionAttempt = Attempt & { readonly task: Task & { readonly kind: 'partition' } }

class AmqpChannel implements Channel, JobPost {
  readonly #client: AmqpClient
  readonly #job: JobSpec
  readonly #queue: string
  readonly #reductions: Channel
  readonly #workers: Workers
  /** Partitions that are out, by index. */
  readonly #sent = new Map<number, PartitionAttempt>()
  #outbox: PartitionAttempt[] = []
  #events: ChannelEvents | undefined
  #meanMs = Number.POSITIVE_INFINITY
  readonly #lostTimer = setInterval(() => void this.#lookForLost(), LOST_CHECK_MS).unref()
  /** Attempts that were out, and not begun, when their queue was first seen empty. */
  #suspects = new Set<PartitionAttempt>()
  /** Attempts that a worker has said it holds, since the queue was last looked at. */
  readonly #held = new Set<string>()
  #wasSent = false
  #closed = false

  constructor(client: AmqpClient, job: JobSpec, queue: string, reductions: Channel, workers: Workers) {
    this.#client = client
    this.#job = job
    this.#queue = queue
    this.#reductions = reductions
    this.#workers = workers
  }

  listen(events: ChannelEvents): void {
    this.#events = events
    this.#reductions.listen(events)
    this.#client.join(this.#job.id, this)
    this.#workers.watch((error) => events.broken(error))
  }

  get hasRoom(): boolean {
    return this.#sent.size < WINDOW
  }

  get workers(): number {
    return this.#workers.slots
  }

  send(attempt: Attempt): void {
    if (attempt.task.kind === 'reduction') return this.#reductions.send(attempt)
    this.#wasSent = true
    this.#sent.set(attempt.id, attempt as PartitionAttempt)
    if (this.#outbox.push(attempt as PartitionAttempt) === 1) nextTick(() => this.#flush())
  }

  stop(attempt: Attempt): void {
    if (attempt.task.kind === 'reduction') return this.#reductions.stop(attempt)
    if (this.#sent.get(attempt.id) === attempt) this.#sent.delete(attempt.id)
    const { id: index, attempt: number } = attempt
    this.#client.control(keyOfQueue(this.#queue), { type: 'stop-task', job: this.#job.id, index, attempt: number })
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    clearInterval(this.#lostTimer)
    this.#workers.close()
    this.#client.leave(this.#job.id)
    this.#reductions.close()
    // Also where nothing is out any more: workers keep a job's params, and may hold copies of its tasks.
    if (this.#wasSent) this.#client.control(keyOfQueue(this.#queue), { type: 'stop', job: this.#job.id })
    this.#sent.clear()
    this.#outbox = []
  }

  reply(message: ReplyMessage, payload: Uint8Array | undefined, worker: string): void {
    if (message.type === 'here') {
      for (const [job, index, attempt] of message.holds) if (job === this.#job.id) this.#held.add(keyOf({ id: index, attempt }))
      return this.#workers.here(worker, message)
    }
    if (message.type === 'leaving') return this.#workers.left(worker)
    if (!('job' in message)) return
    if (message.type === 'fetch') return this.#give(message, worker)
    if (message.type === 'broken') return this.#events?.broken(errorOf(payload))
    this.#answer(message, { id: message.index, attempt: message.attempt }, payload, worker)
  }

  reconnected(): void {
    this.#workers.ask()
    for (const attempt of [...this.#sent.values()]) this.#again(attempt)
  }

  failed(error: PymarError): void {
    this.#events?.broken(error)
  }

  unroutable(message: TaskMessage): void {
    // The queue was deleted, or nobody used it for long.
    this.#workers.declare().then(
      () => this.#sendAgain(message),
      // The connection is lost too, and the next one brings everything again.
      () => {},
    )
  }

  #sendAgain(message: TaskMessage) {
    if (message.type !== 'partitions') return
    for (const [index, attempt] of message.tasks) {
      const sent = this.#sent.get(index)
      if (sent?.attempt === attempt) this.#again(sent)
    }
  }

  #answer(message: ReplyMessage & AttemptOf, id: AttemptId, payload: Uint8Array | undefined, worker: string) {
    const [host = worker, pid] = worker.split(':')
    if (message.type === 'started') return this.#events?.started(id)
    if (message.type === 'holding') return
    if (this.#sent.get(id.id)?.attempt === id.attempt || message.type === 'partial') this.#sent.delete(id.id)
    switch (message.type) {
      case 'partial':
        this.#meanMs = Number.isFinite(this.#meanMs) ? this.#meanMs + LAST_WEIGHT * (message.ms - this.#meanMs) : message.ms
        return this.#events?.partial(id, payload ?? new Uint8Array(0))
      case 'failed':
        return this.#events?.failed(id, message.code, errorOf(payload), `worker ${host} pid ${pid}`)
      case 'lost':
        return this.#events?.lost(id, { host, pid: message.pid, exit: message.exit })
      case 'returned':
        return this.#events?.returned(id)
    }
  }

  /** Sends what a worker asked for. */
  #give({ job, what, index }: ReplyMessage & { type: 'fetch' }, worker: string) {
    const data = what === 'params' ? this.#job.params : this.#sent.get(index)?.task.slice
    if (data) this.#client.control(keyOfWorker(worker), { type: 'data', job, what, index }, data)
  }

  /**
   * Tasks may be lost with their queue: somebody empties it, or deletes it. One that was out both times when the queue was seen
   * empty, and that no worker says it holds, is sent again.
   */
  async #lookForLost() {
    const waiting = await this.#workers.declare().then(
      ({ messageCount }) => messageCount,
      () => 1,
    )
    const lost = [...this.#suspects].filter((attempt) => this.#sent.get(attempt.id) === attempt && !this.#held.has(keyOf(attempt)))
    this.#suspects = new Set(waiting === 0 ? this.#sent.values() : [])
    if (waiting === 0) for (const attempt of lost) this.#again(attempt)
    this.#held.clear()
    if (this.#sent.size > 0) this.#workers.ask()
  }

  #again(attempt: PartitionAttempt) {
    this.#sent.delete(attempt.id)
    this.#events?.returned(attempt)
  }

  #flush() {
    const attempts = this.#outbox.filter((attempt) => this.#sent.get(attempt.id) === attempt)
    this.#outbox = []
    const size = Math.max(1, Math.min(BATCH_LIMIT, Math.round(BATCH_MS / this.#meanMs)))
    while (attempts.length > 0 && !this.#closed) this.#publish(attempts.splice(0, this.#batchOf(attempts, size)))
  }

  /** How many go into the next message: those whose items are small enough together. */
  #batchOf(attempts: readonly PartitionAttempt[], size: number): number {
    let bytes = 0
    for (let i = 0; i < Math.min(size, attempts.length); i++) {
      const { slice, hint } = (attempts[i] as PartitionAttempt).task
      bytes += (slice?.byteLength ?? 0) + (hint?.byteLength ?? 0)
      if (i > 0 && bytes > INLINE_ITEMS_BYTES) return i
    }
    return size
  }

  #publish(attempts: readonly PartitionAttempt[]) {
    const { id: job, partitions: of, source, params } = this.#job
    const inline = params && params.byteLength <= INLINE_PARAMS_BYTES ? params : undefined
    const payload: Uint8Array[] = inline ? [inline] : []
    const tasks = attempts.map(({ attempt, task }): TaskEntry => {
      const { index, offset, limit } = task.partition
      const { hint, slice } = task
      const inlineItems = slice && slice.byteLength <= INLINE_ITEMS_BYTES ? slice : undefined
      if (hint) payload.push(hint)
      if (inlineItems) payload.push(inlineItems)
      if (!hint && !slice) return [index, attempt, offset, limit]
      return [index, attempt, offset, limit, hint?.byteLength ?? 0, slice ? (inlineItems?.byteLength ?? -1) : 0]
    })
    const message: TaskMessage = {
      type: 'partitions',
      job,
      of,
      ...(source && { source: source.name }),
      ...(params && { params: inline?.byteLength ?? -1 }),
      tasks,
    }
    this.#client.task(this.#queue, { message, ...(payload.length > 0 && { payload: Buffer.concat(payload) }) }, () => {})
  }
}

interface AttemptOf {
  readonly index: number
  readonly attempt: number
}

function keyOf({ id, attempt }: AttemptId): string {
  return `${id} ${attempt}`
}

function errorOf(payload: Uint8Array | undefined): unknown {
  return restoreError(decode(payload ?? new Uint8Array(0), 'an error') as ErrorRecord)
}

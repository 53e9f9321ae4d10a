import { PymarError } from '../errors.ts'
import { type Broker, HEARTBEAT_S } from '../wire/broker-url.ts'
import { decompressSync } from '../wire/compress.ts'
import { type Parcel, pack, unpack } from '../wire/frame.ts'
import { queueOptions, replicaOf, replyQueue, workerQueue } from '../wire/names.ts'
import type { ReplyMessage, TaskMessage } from '../wire/protocol.ts'
import { Link, type LinkOwner, type LinkSettings } from './amqp-link.ts'
import type { Message, Session } from './amqp-session.ts'
import { denialOf, undeclarable } from './broker-error.ts'
import { Control } from './control.ts'
import { collectAnswers } from './earlier-runs.ts'
import { Inbox } from './inbox.ts'
import { MuteQueues } from './mute-queue.ts'
import type { Roster } from './workers.ts'

/** What the jobs of this process are told, each of what is its own. */
export interface JobPost {
  reply(message: ReplyMessage, payload: Uint8Array | undefined, worker: string): void
  /** There is a connection again, after one that was lost: nobody knows what became of what was sent. */
  reconnected(): void
  failed(error: PymarError): void
  /** There is a worker that speaks another protocol. */
  otherVersion(worker: string, protocol: number): void
  /** A task found no queue. */
  unroutable(message: TaskMessage): void
}

export interface ClientSettings {
  readonly link: LinkSettings
  readonly namespace: string
  /** Whether queues have replicas. */
  readonly quorum: boolean
  /** Where the client is for one job alone, whose answers are to wait for whoever goes on with it: its id. */
  readonly keptJob?: string
}

/** This process's side of one broker: the connection and the reply queue that all its jobs share. */
export class AmqpClient implements LinkOwner {
  readonly replyTo: string
  readonly #namespace: string
  /** Milliseconds without a connection after which its jobs fail. */
  readonly timeoutMs: number
  readonly #broker: Broker
  readonly #link: Link
  readonly #inbox: Inbox
  /** Says to workers what there is to say. */
  readonly control: Control
  readonly #mute: MuteQueues
  readonly #jobs = new Map<string, JobPost>()
  readonly #rosters = new Map<string, Roster>()
  #declaring: Promise<unknown> = Promise.resolve()
  #connectedOnce = false
  readonly #kind: 'process' | 'kept'

  constructor({ link, namespace, quorum, keptJob }: ClientSettings) {
    const id = `${process.pid}.${Math.floor(Math.random() * 2 ** 52).toString(36)}`
    this.#namespace = namespace
    this.timeoutMs = link.timeoutMs
    this.#broker = link.broker
    this.#kind = keptJob === undefined ? 'process' : 'kept'
    const plain = replyQueue(namespace, keptJob ?? id)
    this.replyTo = quorum ? replicaOf(plain) : plain
    this.#link = new Link(link, this)
    this.control = new Control(this.#link, namespace, this.replyTo)
    this.#mute = new MuteQueues(this.#link, (line) => process.emitWarning(line, 'PymarWarning'))
    this.#inbox = new Inbox(this.replyTo, {
      told: (message, payload, worker) => this.#tell(message, payload, worker),
      otherVersion: (worker, protocol) => this.#each((post) => post.otherVersion(worker, protocol)),
      // Somebody has deleted the queue.
      cancelled: () => this.#link.restart(),
    })
  }

  open(): Promise<void> {
    return this.#link.open()
  }

  async close(): Promise<void> {
    this.control.flush()
    // It would end by itself, in a minute.
    await this.#link.queues.delete(this.replyTo)
    await this.#link.close()
  }

  get session(): Session | undefined {
    return this.#link.session
  }

  /** Milliseconds after which the broker misses a machine that is gone, if its heartbeat was as ours: it counts whole ones, and needs two. */
  get missedMs(): number {
    return (3 * (this.#broker.heartbeatS || HEARTBEAT_S) + 1) * 1000
  }

  /** Whether what is said now is heard, as far as is known. */
  get isHeard(): boolean {
    return this.#link.session !== undefined && !this.#link.isBlocked
  }

  consumersOf(queue: string): Promise<number | undefined> {
    return this.#link.queues.consumersOf(queue)
  }

  /** Declares a queue of tasks, one after the other: who loses the connection by that is to know. @throws {Error} If the broker refuses that, or there is no connection. */
  declare(queue: string) {
    const declared = this.#declaring.then(() => this.#link.queues.declare(queue, queueOptions(queue, 'tasks')))
    this.#declaring = declared.catch(() => {})
    return declared
  }

  /** Whether the broker does not let us have a queue, and what is to be said of it. @param isCause Whether it is by asking for it that connections are lost. */
  denialOf(queue: string, error: unknown, isCause: boolean) {
    return isCause ? undeclarable(this.#broker, queue, error) : denialOf(this.#broker, queue, error)
  }

  /** How many consumers the queue of a worker's own has: none, where it is gone. */
  consumersOfWorker(worker: string): Promise<number | undefined> {
    return this.#link.queues.consumersOf(workerQueue(this.#namespace, worker))
  }

  /** The workers of a queue, as far as the jobs of this process have heard of them. */
  roster(queue: string): Roster {
    const roster: Roster = this.#rosters.get(queue) ?? new Map()
    this.#rosters.set(queue, roster)
    return roster
  }

  join(job: string, post: JobPost): void {
    this.#jobs.set(job, post)
  }

  leave(job: string): void {
    this.#jobs.delete(job)
  }

  /** @param confirmed Called when the broker has it, or with an error if that cannot be known. */
  task(queue: string, parcel: Parcel<TaskMessage>, confirmed: (error?: unknown) => void): void {
    this.#link.publisher.publishWhole(queue, pack([parcel]), { replyTo: this.replyTo, mandatory: true }, confirmed)
  }

  /** Whether a process waits for the answers to a run of a job. @throws {Error} If there is no connection. */
  async isHeardOf(run: string): Promise<boolean> {
    const plain = replyQueue(this.#namespace, run)
    const consumers = await Promise.all([plain, replicaOf(plain)].map((queue) => this.#link.queues.consumersOf(queue)))
    return consumers.some((count) => count)
  }

  /**
   * Takes the answers that an earlier run of a job has left, and with them its reply queue.
   *
   * @throws {Error} If there is no connection, or it is lost meanwhile.
   */
  async collect(run: string, answer: (message: ReplyMessage, payload: Uint8Array | undefined) => void): Promise<void> {
    const plain = replyQueue(this.#namespace, run)
    for (const queue of [plain, replicaOf(plain)]) {
      if ((await this.#link.queues.consumersOf(queue)) === undefined) continue
      const channel = await this.#link.queues.channel()
      try {
        await collectAnswers(channel, () => this.#mute.ask(queue, () => channel.get(queue)), answer)
        await channel.deleteQueue(queue)
      } finally {
        // Not waited for: amqplib never says so if the connection goes meanwhile.
        channel.close().catch(() => {})
      }
    }
  }

  async setup({ channel }: Session): Promise<void> {
    await this.#mute.ask(this.replyTo, () => this.#inbox.consume(channel, queueOptions(this.replyTo, this.#kind)))
    this.control.repeat()
    const again = this.#connectedOnce
    this.#connectedOnce = true
    if (again) setImmediate(() => this.#each((post) => post.reconnected()))
  }

  lost(): void {
    this.#inbox.lost()
  }

  waiting({ message }: PymarError): void {
    console.error(`pymar waits for its broker, for ${this.timeoutMs} ms at most: ${message}`)
  }

  failed(error: PymarError): void {
    // Each job has an error of its own, which shows where that job was started.
    this.#each((post) => post.failed(new PymarError(error.code, error.message, { cause: error.cause })))
  }

  returned({ content, properties }: Message): void {
    const frame = properties.contentEncoding === undefined ? content : decompressSync(content)
    for (const { message } of unpack(frame)) {
      const task = message as TaskMessage
      if (task.type === 'partitions') this.#jobs.get(task.job)?.unroutable(task)
    }
  }

  #each(tell: (post: JobPost) => void) {
    for (const post of [...this.#jobs.values()]) tell(post)
  }

  #tell(message: ReplyMessage, payload: Uint8Array | undefined, worker: string) {
    if (!('job' in message)) return this.#each((post) => post.reply(message, payload, worker))
    const post = this.#jobs.get(message.job)
    if (post) return post.reply(message, payload, worker)
    // Of a job that is over: whoever still works on it need not.
    if (message.type === 'started' || message.type === 'fetch') this.control.worker(worker, { type: 'stop', job: message.job })
  }
}

import { type JobFileAt, jobFileAt } from '../job/job-file.ts'
import { checkClassName, fingerprintOf, replicaOf, taskQueue } from '../wire/names.ts'
import { AmqpChannel } from './amqp-channel.ts'
import { AmqpClient } from './amqp-client.ts'
import type { LinkSettings } from './amqp-link.ts'
import type { Channel, JobSpec, Transport } from './port.ts'
import { workerCommand } from './worker-command.ts'
import { Workers } from './workers.ts'

export interface AmqpSettings {
  readonly link: LinkSettings
  readonly namespace: string
  /** Whether queues have replicas. */
  readonly quorum: boolean
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
  /** Clients of jobs with a checkpoint. */
  readonly #kept = new Set<AmqpClient>()
  #open = true

  constructor(settings: AmqpSettings) {
    const { link, namespace, quorum } = settings
    this.#settings = settings
    this.#key = JSON.stringify([link, namespace, quorum])
    const shared = clients.get(this.#key) ?? { client: new AmqpClient({ link, namespace, quorum }), users: 0 }
    clients.set(this.#key, shared)
    shared.users++
    this.#shared = shared
    this.#client = shared.client
  }

  async open(job: JobSpec, _tasks: number): Promise<Channel> {
    const { link, namespace, quorum } = this.#settings
    if (!job.kept) return this.#openOver(this.#client, job)
    // Its answers are to wait for whoever goes on with it, and for nobody else.
    const client = new AmqpClient({ link, namespace, quorum, keptJob: job.id })
    this.#kept.add(client)
    const close = () => {
      this.#kept.delete(client)
      return client.close()
    }
    try {
      return await this.#openOver(client, job, close)
    } catch (error) {
      void close()
      throw error
    }
  }

  /** @param closed Called when the channel is. */
  async #openOver(client: AmqpClient, job: JobSpec, closed?: () => void): Promise<Channel> {
    const { link, local, namespace, quorum, workerTimeoutMs } = this.#settings
    const opening = local.open(job, 1)
    try {
      const [code, reductions] = await Promise.all([job.locate(), opening, client.open()])
      const { name, VERSION } = job.producer
      checkNames(job)
      const fingerprint = fingerprintOfFile(await jobFileAt(code.url), VERSION)
      const plain = taskQueue(namespace, name, fingerprint)
      const queue = quorum ? replicaOf(plain) : plain
      const command = workerCommand(code.url, name, link.broker.named, namespace)
      const workers = new Workers(client, queue, { producer: name, fingerprint, quorum, workerTimeoutMs, command })
      return new AmqpChannel({ client, job, queue, reductions, workers, ...(closed && { closed }) })
    } catch (error) {
      opening.then(
        (channel) => channel.close(),
        () => {},
      )
      throw error
    }
  }

  async close(): Promise<void> {
    await this.#closeKept()
    if (this.#leave()) {
      clients.delete(this.#key)
      await this.#client.close()
    }
    await this.#settings.local.close()
  }

  release(): void {
    void this.#closeKept()
    this.#settings.local.release()
    // A connection stays for the next job, and keeps no process alive; one that is on its way would.
    if (!this.#leave() || this.#client.session) return
    clients.delete(this.#key)
    void this.#client.close()
  }

  /** Those whose job is over and whose connection is still on its way. */
  async #closeKept(): Promise<void> {
    await Promise.all(Array.from(this.#kept, (client) => client.close()))
    this.#kept.clear()
  }

  /** Whether nobody is left. */
  #leave(): boolean {
    if (!this.#open) return false
    this.#open = false
    return --this.#shared.users === 0
  }
}

/** Of classes that a slot of this machine would find, and a broker cannot carry. */
function checkNames({ producer, source }: JobSpec) {
  checkClassName('producer', producer.name)
  if (source) checkClassName('source', source.name)
}

const fingerprints = new WeakMap<JobFileAt, Map<string | undefined, string>>()

/** Of a job file as it was found: its text does not change, and may be long. */
function fingerprintOfFile(file: JobFileAt, version: string | undefined): string {
  const known = fingerprints.get(file) ?? new Map<string | undefined, string>()
  fingerprints.set(file, known)
  const fingerprint = known.get(version) ?? fingerprintOf(file.code, version, undefined)
  known.set(version, fingerprint)
  return fingerprint
}

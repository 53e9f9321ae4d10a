import { BOOLEAN, type Check, COUNT, FUNCTION, oneOf, POSITIVE, TIME_MS } from './checks.ts'

/** How far a job is. */
export interface Progress {
  /** Partitions of the job. */
  partitions: number
  /** Partitions whose partial has been counted. */
  done: number
  /** Partitions that are being computed now. */
  running: number
  /** Processes that compute: slots in local mode. */
  workers: number
  /** Milliseconds since the job started. */
  elapsedMs: number
}

/** What `amqps://` needs: options of `connect()` of node:tls, of which these are the usual ones. */
export interface TlsOptions {
  /** Certificates that are trusted, PEM. Default: those that Node trusts. */
  ca?: string | Uint8Array | (string | Uint8Array)[] | undefined
  /** The client's certificate, PEM. */
  cert?: string | Uint8Array | (string | Uint8Array)[] | undefined
  /** The client's private key, PEM. */
  key?: unknown
  passphrase?: string | undefined
  /** The name that the broker's certificate must have. Default: the host in the URL. */
  servername?: string | undefined
  /** False: a certificate that nobody has signed will do. Default true. */
  rejectUnauthorized?: boolean | undefined
}

/** Options of a producer: where its jobs are computed. */
export interface ProducerOptions {
  /** The broker that carries tasks to workers: `host`, `host:port` or an `amqp(s)://` URL. Default: `PYMAR_QUEUE`, else this machine's cores. */
  queue?: string
  /** True: this machine's cores although a broker is named. Default false. */
  localMode?: boolean
  /** What a broker that cannot be reached does: `'fail'` (default), with `BROKER`, or `'local'`: this machine's cores compute, and stderr says so. */
  fallback?: 'fail' | 'local'
  /** Keeps deployments on one broker apart. Letters, digits, `-` and `_`. Default `default`. */
  namespace?: string
  /** Whether tasks and answers wait in queues with replicas (quorum queues), for brokers in a cluster. Workers take from either kind. Default false. */
  quorum?: boolean
  /** Milliseconds without a connection to the broker after which a job fails with `BROKER`. Default 30,000. */
  brokerTimeoutMs?: number
  /** Milliseconds that a job waits with no worker before it fails with `NO_WORKERS`. Default: for ever, saying so on stderr. */
  workerTimeoutMs?: number
  /** CA, client certificate and key for `amqps://`, as in node:tls. */
  tls?: TlsOptions
  /** Processes that compute in local mode. Integer from 1. Default: the cores of this machine. */
  slots?: number
  /** Heap of one slot in MiB. Integer from 1. Default: Node's own limit. */
  slotMemory?: number
  /** The module that slots load: a file URL, or a path, from the working directory. Default: the file where the class was defined. */
  module?: string | URL
}

/** Options of one job. */
export interface MapOptions {
  /** Milliseconds that the job may take; past them it fails with `TIMEOUT`. Default: no limit. */
  timeoutMs?: number
  /** Milliseconds for one attempt at one partition; past them `retries` are used, then the job fails with `TIMEOUT`. Default: no limit. */
  partitionTimeoutMs?: number
  /** What `timeoutMs` does. `'fail'` (default), or `'local'`: the missing partitions are computed on this machine's cores, without a limit. */
  onTimeout?: 'fail' | 'local'
  /** Cancels the job: it fails with `CANCELLED`, whose `cause` is the signal's reason. */
  signal?: AbortSignal
  /** Called when the partitions are known and whenever one of them is done, on the thread that started the job. */
  onProgress?: (progress: Progress) => void
  /** How often a partition whose code threw, or ran out of its time, is tried again. Integer from 0. Default 0. */
  retries?: number
  /** Attempts at one partition that may be lost with their slot; the last one fails the job with `WORKER_LOST`. Integer from 1. Default 3. */
  maxAttempts?: number
  /**
   * Whether partitions that run much longer than the median are computed a second time, near the end of a job, where slots would have nothing to do:
   * the first answer counts, and the other attempt is stopped. Default true.
   */
  speculation?: boolean
  /**
   * A file in which partials are kept as they come: a job that is started again with it goes on where it was. It must be the same job: job file,
   * partitions, params and data in memory. Partials stay there when the job is done. Errors: `CHECKPOINT`. Default: none.
   */
  checkpoint?: string
}

/** What `pymar-worker` takes, for programs that start a worker themselves. */
export interface WorkerOptions {
  /** The broker: `host`, `host:port` or an `amqp(s)://` URL. Default: `PYMAR_QUEUE`, else `localhost`. */
  queue?: string
  /** Producers of the job file whose tasks are taken. Default: all that it exports. */
  producers?: readonly string[]
  /** Sources that the job file must export. Default: none in particular. */
  sources?: readonly string[]
  /** Processes that compute. Integer from 1. Default: the cores of this machine. */
  slots?: number
  /** Heap of one slot in MiB. Integer from 1. Default: Node's own limit. */
  slotMemory?: number
  /** CA, client certificate and key for `amqps://`, as in node:tls. */
  tls?: TlsOptions
  /** Keeps deployments on one broker apart. Default `default`. */
  namespace?: string
  /** Empties the task queues first: tasks of every script with the same code are gone, and are sent again. Default false. */
  purge?: boolean
  /** Milliseconds that a closing worker lets its slots finish. Default 30,000. */
  graceMs?: number
  /**
   * Milliseconds that the broker waits for a task to be acknowledged before it gives it to somebody else: its `consumer_timeout`. Partitions
   * may take longer: they are acknowledged after half of it. Default 1,800,000, as RabbitMQ's.
   */
  ackTimeoutMs?: number
  /** Told what happens, a line each. Default: nobody. */
  log?: (line: string) => void
}

/** A producer whose tasks a worker takes. */
export interface ServedProducer {
  readonly producer: string
  /** What says that a script has the same code. */
  readonly fingerprint: string
  /** The queue on the broker where its tasks wait. */
  readonly queue: string
}

/** A worker that runs. */
export interface WorkerHandle extends AsyncDisposable {
  readonly id: string
  /** Processes that compute. */
  readonly slots: number
  /** The producers whose tasks it takes. */
  readonly served: readonly ServedProducer[]
  /** Resolves when it has ended: with the reason, if it left by itself since its slots could not load the job file any more. */
  readonly ended: Promise<unknown>
  /** Takes no more tasks, lets those that run end, gives the others back. Idempotent. */
  close(): Promise<void>
}

const isModule = (value: unknown) => (typeof value === 'string' && value !== '') || value instanceof URL

const NAMESPACE: Check = {
  holds: (value) => typeof value === 'string' && /^[\w-]{1,64}$/.test(value),
  rule: '1 to 64 letters, digits, - and _',
}
const BROKER: Check = { holds: (value) => typeof value === 'string' && value !== '', rule: 'host, host:port or an amqp(s):// URL' }

export const PRODUCER_OPTIONS: Readonly<Record<keyof ProducerOptions, Check>> = {
  queue: BROKER,
  localMode: BOOLEAN,
  fallback: oneOf('fail', 'local'),
  namespace: NAMESPACE,
  quorum: BOOLEAN,
  brokerTimeoutMs: TIME_MS,
  workerTimeoutMs: TIME_MS,
  tls: { holds: (value) => typeof value === 'object' && value !== null, rule: 'options of node:tls' },
  slots: POSITIVE,
  slotMemory: POSITIVE,
  module: { holds: isModule, rule: 'a path or a file URL' },
}

export const MAP_OPTIONS: Readonly<Record<keyof MapOptions, Check>> = {
  timeoutMs: TIME_MS,
  partitionTimeoutMs: TIME_MS,
  onTimeout: oneOf('fail', 'local'),
  signal: { holds: (value) => value instanceof AbortSignal, rule: 'an AbortSignal' },
  onProgress: FUNCTION,
  retries: COUNT,
  maxAttempts: POSITIVE,
  speculation: BOOLEAN,
  checkpoint: { holds: (value) => typeof value === 'string' && value !== '', rule: 'a path' },
}

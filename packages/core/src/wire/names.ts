import { createHash } from 'node:crypto'
import { PymarError } from '../errors.ts'
import { PROTOCOL } from './protocol.ts'

/*
 * What things are called on a broker. All names begin with the protocol's version and a namespace, so that what must not meet does
 * not, and an operator sees what belongs together.
 */

function prefix(namespace: string): string {
  return `pymar.${PROTOCOL}.${namespace}`
}

/** Bytes of a class's name: a queue's name may have 255, with all that is around it. */
const NAME_LIMIT_BYTES = 128

/** @throws {PymarError} `INVALID_ARGUMENT` for the name of a class that cannot be part of names on a broker. */
export function checkClassName(what: 'producer' | 'source', name: string): void {
  const bytes = Buffer.byteLength(name)
  // RabbitMQ leaves line ends out of names, so that the queue would be another one.
  const hasControls = /\p{Cc}/u.test(name)
  if (bytes > 0 && bytes <= NAME_LIMIT_BYTES && !hasControls) return
  const found = hasControls ? 'there are control characters in it' : `it takes ${bytes} bytes`
  const rule = `a name of 1 to ${NAME_LIMIT_BYTES} bytes of UTF-8, without control characters`
  throw new PymarError(
    'INVALID_ARGUMENT',
    `Cannot use ${what} ${JSON.stringify(name.slice(0, 64))} over a broker as it must have ${rule}: ${found}`,
  )
}

/** Where tasks of a producer wait for workers that run the same code. */
export function taskQueue(namespace: string, producer: string, fingerprint: string): string {
  return `${prefix(namespace)}.${producer}.${fingerprint}`
}

/** Names that end so are those of queues with replicas: all who declare a queue know by its name how that is done. */
const REPLICATED = '.quorum'
/** Deliveries of one message of such a queue, after which the broker drops it. What is dropped is sent again; a partition that ends all who take it is not. */
const DELIVERIES = 1000
const MINUTE_MS = 60_000

/** Milliseconds after which queues end that nobody uses: those of tasks, those of one process, and those where a job that can be gone on with is answered. */
export const EXPIRY_MS = { tasks: 30 * MINUTE_MS, process: MINUTE_MS, kept: 24 * 60 * MINUTE_MS } as const

/** The queue with replicas beside a task queue. */
export function replicaOf(queue: string): string {
  return `${queue}${REPLICATED}`
}

export function hasReplicas(queue: string): boolean {
  return queue.endsWith(REPLICATED)
}

/** A queue that says that this one was deleted a moment ago, by whoever has declared it. */
export function deletionOf(queue: string): string {
  return `${queue}.deleted`
}

/** How a queue is declared, by its name: a difference would be refused. */
export function queueOptions(queue: string, kind: keyof typeof EXPIRY_MS) {
  const replicated = { 'x-queue-type': 'quorum', 'x-delivery-limit': DELIVERIES }
  return { durable: true, expires: EXPIRY_MS[kind], ...(hasReplicas(queue) && { arguments: replicated }) }
}

/** Where workers answer a producer's process. */
export function replyQueue(namespace: string, process: string): string {
  return `${prefix(namespace)}.reply.${process}`
}

/** Where one worker hears what producers say to it. */
export function workerQueue(namespace: string, worker: string): string {
  return `${prefix(namespace)}.worker.${worker}`
}

/** Where a message goes: an exchange, and the key that it looks at. */
export interface Address {
  readonly exchange: string
  readonly key: string
}

/**
 * Producers speak to workers over an exchange that every virtual host has: one of our own would be left behind for ever, or would
 * be gone when somebody publishes to it.
 */
const CONTROL_EXCHANGE = 'amq.direct'

/** All workers that take tasks from this queue, or from the one beside it. */
export function toWorkersOf(queue: string): Address {
  const plain = hasReplicas(queue) ? queue.slice(0, -REPLICATED.length) : queue
  return { exchange: CONTROL_EXCHANGE, key: `${plain}.control` }
}

/** All workers that have a producer of this name, whatever their code. */
export function toNamesakes(namespace: string, producer: string): Address {
  return { exchange: CONTROL_EXCHANGE, key: `${prefix(namespace)}.${producer}.control` }
}

/** All workers that have a producer of this name, whatever their protocol: this is never to change. */
export function toAllVersions(namespace: string, producer: string): Address {
  return { exchange: CONTROL_EXCHANGE, key: `pymar.hello.${namespace}.${producer}` }
}

/** One worker. */
export function toWorker(namespace: string, worker: string): Address {
  return { exchange: '', key: workerQueue(namespace, worker) }
}

/** Hexadecimal digits of a fingerprint: 64 bits, which no two job files on one broker share by chance. */
const FINGERPRINT_DIGITS = 16

/**
 * What says that two machines have the same job file.
 *
 * @param code The job file's text with that of what it imports.
 * @param version The producer's `VERSION`, which takes the place of the code.
 * @param secret The shared secret, of which the fingerprint tells nothing: workers with another one are none of this producer.
 */
export function fingerprintOf(code: string, version: string | undefined, secret: string | undefined): string {
  const hash = createHash('sha256').update(version === undefined ? `code ${code}` : `version ${version}`)
  if (secret !== undefined) hash.update(createHash('sha256').update(`pymar secret ${secret}`).digest())
  return hash.digest('hex').slice(0, FINGERPRINT_DIGITS)
}

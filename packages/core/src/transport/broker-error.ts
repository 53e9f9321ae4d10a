import { messageOf, PymarError } from '../errors.ts'
import type { Broker } from '../wire/broker-url.ts'

/** What amqplib says where the broker closes a connection that names a virtual host. */
const VIRTUAL_HOST = /Expected ConnectionOpenOk/
const REFUSAL = new RegExp(`ACCESS[-_]REFUSED|NOT[-_]ALLOWED|${VIRTUAL_HOST.source}`)

/** A channel was closed for what was published over it. */
export class PublishRefused extends Error {
  constructor(cause: Error) {
    super(cause.message, { cause })
  }
}

/** Whether another try would be refused too. */
export function isRefusal(error: unknown): boolean {
  return REFUSAL.test(messageOf(error))
}

/** Why there is no connection. @param timeoutMs For how long one was tried; Infinity: it still is. */
export function brokerError(broker: Broker, timeoutMs: number, error: unknown): PymarError {
  const { username, hostname } = new URL(broker.url)
  const refused = isRefusal(error)
  const guest = refused && /^(guest)?$/.test(username) && !/^(localhost|127\.|\[::1\])/.test(hostname)
  const lasted = timeoutMs === Number.POSITIVE_INFINITY ? '' : `, for ${timeoutMs} ms`
  const found = refused ? reasonOf(error) : `${reasonOf(error)}${lasted}`
  const what = error instanceof PublishRefused ? 'publish' : 'connect'
  const permit = refused && error instanceof Error && /access to (queue|exchange)/.test(error.message) ? `; ${PERMIT}` : ''
  const advice = guest && !permit ? "; the user guest may log in from the broker's own host only: name another user in the URL" : permit
  const cause = error instanceof PublishRefused ? error.cause : error
  return new PymarError('BROKER', `Cannot ${what} to broker ${broker.shown}: ${found}${advice}`, { cause })
}

/** Why the broker takes nothing. @param timeoutMs For how long it was waited; Infinity: it still is. */
export function blockedError({ shown }: Broker, timeoutMs: number, reason: string): PymarError {
  const lasted = timeoutMs === Number.POSITIVE_INFINITY ? '' : `, for ${timeoutMs} ms`
  const advice = 'make room on its machine, or raise vm_memory_high_watermark or lower disk_free_limit there'
  return new PymarError('BROKER', `Cannot publish to broker ${shown}: it takes nothing (${reason})${lasted}; ${advice}`)
}

/** What a user needs: tasks and answers go over the default exchange, what else there is to say over amq.direct. */
const PERMIT = String.raw`the user must be allowed to configure "^pymar\.", and to write and read "^(pymar|amq)\."`

/** What to do where AMQP says that we may not have a queue, by its code: this user may not, it is somebody's alone, there is another one of that name or are too many. */
const DENIALS: Readonly<Record<number, string>> = {
  403: PERMIT,
  405: 'name another namespace',
  406: 'delete it, name another namespace, or raise the limit',
}
/** What RabbitMQ says of a queue whose machine is away. */
const NOT_FOUND = 404

/** The broker does not let us have a queue; `isFinal`: however often it is asked. */
export interface Denial {
  readonly error: PymarError
  readonly isFinal: boolean
}

/** Whether the broker does not let us have a queue. */
export function denialOf(broker: Broker, queue: string, error: unknown): Denial | undefined {
  const code = error instanceof Error && 'code' in error ? Number(error.code) : 0
  const advice = code === NOT_FOUND ? 'start the machine that has it' : DENIALS[code]
  if (advice === undefined) return undefined
  return denial(broker, queue, messageOf(error), advice, error, code !== NOT_FOUND)
}

/** The connection is lost whenever this queue is declared: RabbitMQ (3.10) closes it, and says INTERNAL_ERROR where it has a process of that name, and no queue. */
export function undeclarable(broker: Broker, queue: string, error: unknown): Denial {
  return denial(
    broker,
    queue,
    'the connection is lost each time',
    'the log of the broker tells why; start it again, or name another namespace',
    error,
    false,
  )
}

function denial({ shown }: Broker, queue: string, found: string, advice: string, cause: unknown, isFinal: boolean): Denial {
  return { error: new PymarError('BROKER', `Cannot declare queue ${queue} on broker ${shown}: ${found}; ${advice}`, { cause }), isFinal }
}

function reasonOf(error: unknown): string {
  const message = messageOf(error)
  return VIRTUAL_HOST.test(message)
    ? 'its virtual host is not there, this user may not use it, or there are as many connections as there may be'
    : message
}

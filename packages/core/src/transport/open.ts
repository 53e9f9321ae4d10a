import type { ProducerOptions } from '../options.ts'
import type { Broker } from '../wire/broker-url.ts'
import { LocalTransport } from './local.ts'
import type { Opened, Transport } from './port.ts'

const BROKER_TIMEOUT_MS = 30_000

/**
 * Opens the transport that a producer's options ask for. It waits for nothing: what must be connected is connected for the first job.
 *
 * @throws {PymarError} `INVALID_ARGUMENT` if the broker's name is none.
 */
export async function openTransport(options: ProducerOptions): Promise<Opened> {
  const { localMode, slots, slotMemory } = options
  const named = options.queue ?? process.env['PYMAR_QUEUE']
  const local = (count = slots) =>
    new LocalTransport({ ...(count !== undefined && { slots: count }), ...(slotMemory !== undefined && { memory: slotMemory }) })
  if (!named || localMode) return { transport: local() }
  const { readBroker } = await import('../wire/broker-url.ts')
  return {
    transport: await openAmqp(readBroker(named), options, local(1)),
    fallback: () => local(),
    withoutBroker: options.fallback === 'local',
  }
}

async function openAmqp(
  broker: Broker,
  {
    namespace = 'default',
    quorum = false,
    brokerTimeoutMs = BROKER_TIMEOUT_MS,
    workerTimeoutMs = Number.POSITIVE_INFINITY,
    tls,
  }: ProducerOptions,
  local: Transport,
): Promise<Transport> {
  const { AmqpTransport } = await import('./amqp.ts')
  return new AmqpTransport({ link: { broker, timeoutMs: brokerTimeoutMs, ...(tls && { tls }) }, namespace, quorum, workerTimeoutMs, local })
}

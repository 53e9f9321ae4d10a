import { PymarError } from '../errors.ts'
import type { ProducerOptions } from '../options.ts'
import { LocalTransport } from './local.ts'
import type { Transport } from './port.ts'

/**
 * Opens the transport that a producer's options ask for.
 *
 * @param producer Its name, for errors.
 * @throws {PymarError} `BROKER` if a broker is named in `PYMAR_QUEUE`.
 */
export function openTransport(producer: string, { localMode, slots, slotMemory }: ProducerOptions): Transport {
  if (process.env['PYMAR_QUEUE'] && !localMode) {
    throw new PymarError(
      'BROKER',
      `Cannot use the broker named in PYMAR_QUEUE for ${producer}: this version computes on local cores only; unset it, or pass localMode`,
    )
  }
  return new LocalTransport({ ...(slots !== undefined && { slots }), ...(slotMemory !== undefined && { memory: slotMemory }) })
}

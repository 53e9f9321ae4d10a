import { isCount } from '../checks.ts'
import { PROTOCOL } from './protocol.ts'

/*
 * The one thing that programs of all versions say alike: which protocol they speak. All else they say where other versions do not hear it,
 * so without this nobody would know why a script finds no worker. It must never change: a JSON object in a message of this type.
 */

/** The type of such messages, as the broker carries it. */
export const HELLO = 'pymar.hello'

/** What a program says of itself. */
export function hello(): Buffer {
  return Buffer.from(JSON.stringify({ protocol: PROTOCOL }))
}

/** Reads what another program says of itself. @returns Its protocol, where that is another one. */
export function otherProtocol(content: Buffer): number | undefined {
  try {
    const { protocol } = JSON.parse(content.toString('utf8')) as { readonly protocol?: unknown }
    return isCount(protocol) && protocol !== PROTOCOL ? protocol : undefined
  } catch {
    return undefined
  }
}

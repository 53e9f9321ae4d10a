import { PymarError } from '../errors.ts'

/** A broker that was named, as what is needed to connect to it. */
export interface Broker {
  /** `amqp:` or `amqps:` with host, port, user, password and virtual host. */
  readonly url: string
  /** The same, with the password masked: what may be printed. */
  readonly shown: string
  /** What the user wrote, with the password masked. */
  readonly named: string
  /** Seconds without a word after which something is said; 0: nothing is. */
  readonly heartbeatS: number
}

/** Where the URL does not say: the broker and we each notice a dead peer after two. */
export const HEARTBEAT_S = 10
/** AMQP has two bytes for it. */
const LONGEST_HEARTBEAT_S = 65_535

/**
 * Reads what `-q`, the option `queue` and `PYMAR_QUEUE` take: `host`, `host:port`, or an `amqp(s)://` URL.
 *
 * @throws {PymarError} `INVALID_ARGUMENT` if it is none of them.
 */
export function readBroker(named: string): Broker {
  const url = parse(/^[a-z]+:\/\//i.test(named) ? named : `amqp://${named}`)
  if (!url || !/^amqps?:$/.test(url.protocol) || url.hostname === '') {
    const rule = 'a host, host:port, or a URL that begins with amqp:// or amqps://'
    throw new PymarError(
      'INVALID_ARGUMENT',
      `Cannot read broker "${mask(named)}" as it must be ${rule}; an IPv6 address stands in brackets`,
    )
  }
  const heartbeat = url.searchParams.get('heartbeat') ?? String(HEARTBEAT_S)
  if (!(/^\d+$/.test(heartbeat) && Number(heartbeat) <= LONGEST_HEARTBEAT_S)) {
    const rule = `heartbeat must be whole seconds up to ${LONGEST_HEARTBEAT_S}, or 0 for none`
    throw new PymarError('INVALID_ARGUMENT', `Cannot read broker "${mask(named)}" as its ${rule}: it is "${heartbeat}"`)
  }
  return { url: url.href, shown: mask(url.href), named: mask(named), heartbeatS: Number(heartbeat) }
}

function parse(text: string): URL | undefined {
  try {
    return new URL(text)
  } catch {
    return undefined
  }
}

/** Up to the last @: a password may have some. */
function mask(named: string): string {
  return named.replace(/^((?:[a-z]+:\/\/)?[^:@/]*):.*@/i, '$1:***@')
}

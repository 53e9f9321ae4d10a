import { PymarError } from '../errors.ts'

/** A broker that was named, as what is needed to connect to it. */
export interface Broker {
  /** `amqp:` or `amqps:` with host, port, user, password and virtual host. */
  readonly url: string
  /** The same, with the password masked: what may be printed. */
  readonly shown: string
  /** What the user wrote, with the password masked. */
  readonly named: string
}

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
  return { url: url.href, shown: mask(url.href), named: mask(named) }
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

import { compress, type Encoding, isLarge } from '../wire/compress.ts'
import { split } from '../wire/frame.ts'
import { hasReplicas } from '../wire/names.ts'
import type { Link } from './amqp-link.ts'
import { isNack, type PublishOptions } from './amqp-session.ts'
import { Confirms } from './confirms.ts'

/** Told when the broker has a message, or with an error if it has not, or that cannot be known any more. */
type Confirmed = (error?: unknown) => void

/** Publishes over the connection of a link. */
export class Publisher {
  readonly #link: Link
  readonly #confirms: Confirms

  constructor(link: Link) {
    this.#link = link
    this.#confirms = new Confirms(link)
  }

  /** Publishes a body of any size: a large one is made smaller where that helps, and goes in pieces that every broker takes. */
  publish(exchange: string, key: string, body: Buffer, options: PublishOptions, confirmed: Confirmed): void {
    if (!isLarge(body)) return this.#publishOne(exchange, key, body, options, confirmed)
    compress(body).then((smaller) => {
      const pieces = split(smaller ?? body)
      let left = pieces.length
      let failure: unknown
      for (const { body: piece, headers } of pieces) {
        const encoding = smaller && { contentEncoding: 'deflate' satisfies Encoding }
        this.#publishOne(exchange, key, piece, { ...options, ...encoding, ...(headers && { headers }) }, (error) => {
          failure ??= error
          if (--left === 0) confirmed(failure)
        })
      }
    }, confirmed)
  }

  #publishOne(exchange: string, key: string, body: Buffer, options: PublishOptions, confirmed: Confirmed): void {
    const { session } = this.#link
    if (!session) return confirmed(new Error('there is no connection'))
    const heard = hasReplicas(key) ? this.#confirms.published(key) : undefined
    const done = (error?: unknown) => {
      heard?.(error ? (isNack(error) ? 'refused' : undefined) : 'taken')
      confirmed(error ?? undefined)
    }
    try {
      session.publisher.publish(exchange, key, body, options, done)
    } catch (error) {
      // Its channel has just closed; that the connection is lost is on its way.
      done(error)
    }
  }
}

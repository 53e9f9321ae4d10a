import { compress, type Encoding, isLarge } from '../wire/compress.ts'
import { PIECE_BYTES, split } from '../wire/frame.ts'
import { hasReplicas } from '../wire/names.ts'
import type { Link } from './amqp-link.ts'
import { isNack, type PublishOptions } from './amqp-session.ts'
import { PublishRefused } from './broker-error.ts'
import { Confirms } from './confirms.ts'

/** What RabbitMQ says of a message that has more bytes than its `max_message_size`, which ends with the bytes that it may have. */
const TOO_LARGE = /message size \d+ is larger than .*max size (\d+)/

/** Told when the broker has a message, or with an error if it has not, or that cannot be known any more. */
type Confirmed = (error?: unknown) => void

/** Publishes over the connection of a link. */
export class Publisher {
  readonly #link: Link
  readonly #confirms: Confirms
  #pieceBytes = PIECE_BYTES

  constructor(link: Link) {
    this.#link = link
    this.#confirms = new Confirms(link)
  }

  /** Publishes a body of any size: a large one is made smaller where that helps, and goes in pieces that the broker takes, as far as that is known. */
  publish(exchange: string, key: string, body: Buffer, options: PublishOptions, confirmed: Confirmed): void {
    this.#publish(exchange, key, body, options, false, confirmed)
  }

  /** Publishes a body in one piece: the next one from the same queue may go to somebody else. */
  publishWhole(key: string, body: Buffer, options: PublishOptions, confirmed: Confirmed): void {
    this.#publish('', key, body, options, true, confirmed)
  }

  #publish(exchange: string, key: string, body: Buffer, options: PublishOptions, isWhole: boolean, confirmed: Confirmed): void {
    if (!isLarge(body) && (isWhole || body.byteLength <= this.#pieceBytes)) return this.#publishOne(exchange, key, body, options, confirmed)
    compress(body).then((smaller) => {
      const pieces = split(smaller ?? body, isWhole ? Number.POSITIVE_INFINITY : this.#pieceBytes)
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

  /** @returns Whether what was refused may be taken the next time: it was too large, and will go in smaller pieces. */
  learns(error: unknown): boolean {
    if (!(error instanceof PublishRefused)) return false
    const most = Number(TOO_LARGE.exec(error.message)?.[1])
    if (!(most > 0 && most < this.#pieceBytes)) return false
    this.#pieceBytes = most
    return true
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

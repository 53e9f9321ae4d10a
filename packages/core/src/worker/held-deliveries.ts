import { clearInterval, now, setInterval } from '../timers.ts'
import { type Channel, type ConsumeMessage, unlessClosing } from '../transport/amqp-session.ts'
import { Delivery, type Sent } from './delivery.ts'

export interface HeldDeliveriesSettings {
  /** Milliseconds after which the broker takes a message that is not acknowledged for lost, and closes the channel. */
  readonly ackTimeoutMs: number
  /** A delivery has been held for long: whoever waits for its open tasks is to know that. Calls back when it does. */
  holding(delivery: Delivery, known: () => void): void
  /** One is held no more. */
  ended(): void
}

/** What the broker calls a message, on the channel over which it came. */
export interface Tag {
  readonly channel: Channel
  readonly message: ConsumeMessage
}

/** What is known of a delivery beside its tasks. */
interface Receipt {
  readonly since: number
  /** Undefined once it is acknowledged, or the channel is gone. */
  tag: Tag | undefined
  /** Whether its channel went while it was held: then the broker gives it to somebody again. */
  stale: boolean
  reported: boolean
}

/** Part of the broker's patience after which a message that is still held is acknowledged. */
const EARLY = 0.5
const LOOKS = 8

/** Messages that a worker holds. Each is acknowledged when its tasks are answered, or when the broker would wait no longer. */
export class HeldDeliveries {
  readonly #settings: HeldDeliveriesSettings
  readonly #receipts = new Map<Delivery, Receipt>()
  readonly #timer: NodeJS.Timeout

  constructor(settings: HeldDeliveriesSettings) {
    this.#settings = settings
    this.#timer = setInterval(() => this.#report(), (settings.ackTimeoutMs * EARLY) / LOOKS).unref()
  }

  /** Those that the broker gives to somebody again are not counted. */
  get size(): number {
    let size = 0
    for (const { stale } of this.#receipts.values()) if (!stale) size++
    return size
  }

  get isEmpty(): boolean {
    return this.#receipts.size === 0
  }

  [Symbol.iterator](): Iterator<Delivery> {
    return this.#receipts.keys()
  }

  add(tag: Tag, sent: Sent): Delivery {
    const receipt: Receipt = { since: now(), tag, stale: false, reported: false }
    const delivery: Delivery = new Delivery(sent, () => {
      acknowledge(receipt)
      this.#receipts.delete(delivery)
      this.#settings.ended()
    })
    this.#receipts.set(delivery, receipt)
    return delivery
  }

  /** The broker is to give it to somebody else. */
  giveBack(delivery: Delivery): void {
    const receipt = this.#receipts.get(delivery)
    const tag = receipt?.tag
    if (receipt) receipt.tag = undefined
    this.#receipts.delete(delivery)
    delivery.forget()
    if (tag) unlessClosing(() => tag.channel.nack(tag.message, false, true))
    this.#settings.ended()
  }

  /** Their channel is gone. */
  lost(): void {
    for (const receipt of this.#receipts.values()) {
      receipt.stale ||= receipt.tag !== undefined
      receipt.tag = undefined
    }
  }

  close(): void {
    clearInterval(this.#timer)
  }

  /** The broker waits for an acknowledgement so long and no longer; partitions may take longer. */
  #report() {
    const { ackTimeoutMs, holding } = this.#settings
    const before = now() - ackTimeoutMs * EARLY
    for (const [delivery, receipt] of this.#receipts) {
      if (receipt.since > before || receipt.reported || !receipt.tag) continue
      receipt.reported = true
      holding(delivery, () => acknowledge(receipt))
    }
  }
}

function acknowledge(receipt: Receipt) {
  const { tag } = receipt
  receipt.tag = undefined
  if (tag) unlessClosing(() => tag.channel.ack(tag.message))
}

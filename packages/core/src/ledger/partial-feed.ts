import type { Partition } from '../data-source.ts'
import { decode } from '../wire/codec.ts'

export interface Partial {
  readonly partition: Partition
  readonly value: unknown
}

/** Partials as they arrive, for one reader: they wait as bytes until they are read, and the job's failure is thrown. */
export class PartialFeed implements AsyncIterableIterator<Partial> {
  readonly #closed: (feed: PartialFeed) => void
  #queue: { partition: Partition; bytes: Uint8Array }[] = []
  /** How many of the queue have been read; it is cut only when that is half of it. */
  #read = 0
  #end: { error?: unknown } | undefined
  #wakers: (() => void)[] = []

  /** @param closed Called when the reader has gone. */
  constructor(closed: (feed: PartialFeed) => void) {
    this.#closed = closed
  }

  add(partition: Partition, bytes: Uint8Array): void {
    this.#queue.push({ partition, bytes })
    this.#wakeAll()
  }

  end(end: { error?: unknown } = {}): void {
    this.#end = end
    this.#wakeAll()
  }

  async next(): Promise<IteratorResult<Partial, undefined>> {
    for (;;) {
      const first = this.#queue[this.#read]
      if (first) this.#advance()
      if (first) return { done: false, value: { partition: first.partition, value: decode(first.bytes) } }
      if (this.#end) {
        const { error } = this.#end
        this.#end = {}
        if (error !== undefined) throw error
        return { done: true, value: undefined }
      }
      await new Promise<void>((wake) => {
        this.#wakers.push(wake)
      })
    }
  }

  async return(): Promise<IteratorResult<Partial, undefined>> {
    this.#queue = []
    this.#read = 0
    this.#end = {}
    this.#closed(this)
    this.#wakeAll()
    return { done: true, value: undefined }
  }

  #advance() {
    this.#read++
    if (this.#read * 2 < this.#queue.length) return
    this.#queue = this.#queue.slice(this.#read)
    this.#read = 0
  }

  #wakeAll() {
    for (const wake of this.#wakers.splice(0)) wake()
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}

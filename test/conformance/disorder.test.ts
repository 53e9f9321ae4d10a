// What a network may do to answers, done on purpose: the ledger and the reduction tree must not mind.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DataSourceFactory } from '@pymar/core'
import { InlineTransport } from '../../packages/core/dist/transport/inline.js'
import type { Attempt, Channel, ChannelEvents, JobSpec, Transport } from '../../packages/core/dist/transport/port.js'
import { Harmonic, Join, Numbers } from '../jobs/joins.ts'
import { random } from '../processes.ts'
import { type AnyProducer, inline, mapOver } from './transports.ts'

const WINDOW = 6

/** Computes inline, but holds answers back, repeats them, reorders them, and loses attempts, by a seed. */
class DisorderlyTransport implements Transport {
  readonly #next: () => number

  constructor(seed: number) {
    this.#next = random(seed)
  }

  async open(job: JobSpec): Promise<Channel> {
    return new DisorderlyChannel(job, this.#next)
  }

  async close(): Promise<void> {}

  release(): void {}
}

class DisorderlyChannel implements Channel {
  readonly workers = WINDOW
  readonly #job: JobSpec
  readonly #next: () => number
  readonly #pending = new Set<Attempt>()
  readonly #later: (() => void)[] = []
  #events: ChannelEvents | undefined
  #closed = false

  constructor(job: JobSpec, next: () => number) {
    this.#job = job
    this.#next = next
  }

  get hasRoom() {
    return this.#pending.size < WINDOW
  }

  listen(events: ChannelEvents) {
    this.#events = events
  }

  send(attempt: Attempt) {
    this.#pending.add(attempt)
    void this.#compute(attempt)
  }

  stop(attempt: Attempt) {
    this.#pending.delete(attempt)
  }

  close() {
    this.#closed = true
    return true
  }

  async #compute(attempt: Attempt) {
    const answer = await this.#answer(attempt)
    for (let copies = this.#next() < 0.2 ? 2 : 1; copies > 0; copies--)
      this.#later.splice(Math.floor(this.#next() * this.#later.length), 0, answer)
    // Some are lost before their answer comes, which then comes all the same.
    if (this.#next() < 0.2) this.#later.unshift(() => this.#events?.lost(attempt, { host: 'h', pid: 1, exit: 'signal SIGKILL' }))
    if (this.#next() < 0.1) this.#later.unshift(() => this.#events?.returned(attempt))
    if (this.#next() < 0.1) this.#later.push(() => this.#events?.room())
    if (this.#next() < 0.5) this.#later.unshift(() => void this.#events?.started(attempt))
    setImmediate(() => this.#speak())
  }

  #speak() {
    // Everything is said in the end, or the job would wait for ever.
    const count = this.#next() < 0.5 ? 1 : this.#later.length
    for (const say of this.#later.splice(0, count)) if (!this.#closed) say()
    if (this.#later.length > 0) setImmediate(() => this.#speak())
  }

  /** Asks an inline channel of its own, and gives its answer as something to be said later. */
  async #answer(attempt: Attempt): Promise<() => void> {
    const channel = await new InlineTransport().open(this.#job, 1)
    return new Promise((resolve) => {
      channel.listen({
        started: () => true,
        partial: (_, bytes) =>
          resolve(() => {
            this.#pending.delete(attempt)
            this.#events?.partial(attempt, bytes)
          }),
        failed: (_, code, error, where) => resolve(() => this.#events?.failed(attempt, code, error, where)),
        lost: () => {},
        redelivered: () => {},
        returned: () => {},
        room: () => {},
        broken: () => {},
      })
      channel.send(attempt)
    })
  }
}

test('an answer is the same bits when answers come late, twice, in any order, and after their attempt was lost', async () => {
  try {
    for (let seed = 1; seed <= 100; seed++) {
      const next = random(seed * 7)
      const source = new DataSourceFactory(Numbers, { params: { length: Math.floor(next() * 2000) } })
      const workers = 1 + Math.floor(next() * 150)
      const producer: AnyProducer = seed % 2 === 0 ? Join : Harmonic
      producer.WORKERS_NUMBER = workers
      const expected = await inline.map(producer, source)
      const given = await mapOver(new DisorderlyTransport(seed), producer, source, { maxAttempts: 1000 })
      assert.equal(given, expected, `seed ${seed}, ${workers} partitions`)
    }
  } finally {
    Harmonic.WORKERS_NUMBER = 10
    Join.WORKERS_NUMBER = 5
  }
})

/** Takes every attempt and never answers. */
class SilentTransport implements Transport {
  closed = 0

  async open(): Promise<Channel> {
    const close = () => {
      this.closed++
      return true
    }
    return { hasRoom: true, workers: 0, listen() {}, send() {}, stop() {}, close }
  }

  async close(): Promise<void> {}

  release(): void {}
}

test("onTimeout 'local' computes on this machine what another transport left undone", async () => {
  const silent = new SilentTransport()
  const options = { timeoutMs: 20, onTimeout: 'local' } as const
  assert.equal(await mapOver(silent, Join, [1, 2, 3], options, new InlineTransport()), '1 2 3')
  assert.equal(silent.closed, 1)
  await assert.rejects(mapOver(silent, Join, [1, 2, 3], { timeoutMs: 20 }, new InlineTransport()), { code: 'TIMEOUT' })
  const broken = new (class extends InlineTransport {
    override open(): Promise<Channel> {
      throw new RangeError('cannot open')
    }
  })()
  await assert.rejects(mapOver(silent, Join, [1, 2, 3], options, broken), RangeError)
})

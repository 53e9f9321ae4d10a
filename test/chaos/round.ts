// One round of the whole system: jobs, workers, a broker of its own, and faults, all drawn by a seed.
import { setTimeout as sleep } from 'node:timers/promises'
import { DataSourceFactory, type Job, type PymarError } from '@pymar/core'
import { type RunningWorker, startWorker } from '../amqp/workers.ts'
import { inline } from '../conformance/transports.ts'
import { Chaos, type ChaosParams, Script } from '../jobs/chaos.mjs'
import { random, slotsOf } from '../processes.ts'
import type { RabbitNode } from '../servers/rabbitmq.ts'
import type { TcpProxy } from '../tcp-proxy.ts'
import { CHAOS } from './row.ts'

/** What rounds share. */
export interface Place {
  readonly node: RabbitNode
  restart(how: 'stop' | 'kill'): Promise<void>
  /** Before the broker: one for the producer, one for workers. */
  readonly producer: TcpProxy
  readonly worker: TcpProxy
  readonly checkpoints: string
}

export interface RoundEnd {
  readonly seed: number
  readonly jobs: number
  readonly faults: readonly FaultKind[]
  readonly what: 'answer' | 'wrong answer' | 'hang' | 'error'
  readonly error?: unknown
  /** Milliseconds from each fault until the next partial, or the end. */
  readonly recoveries: readonly number[]
  readonly ms: number
}

/** Longer than any of them takes to be noticed and mended, in milliseconds. */
const HANG_MS = 120_000

const FAULTS = {
  'worker killed': async (round) => {
    const victim = round.pickWorker()
    victim?.child.kill('SIGKILL')
    round.workers = round.workers.filter((worker) => worker !== victim)
    await round.addWorker()
  },
  'all workers killed': async (round) => {
    for (const { child } of round.workers.splice(0)) child.kill('SIGKILL')
    await sleep(round.next() * 1000)
    await round.addWorker()
  },
  'worker ended in order': async (round) => {
    const leaving = round.workers.shift()
    await Promise.all([round.addWorker(), leaving?.end()])
  },
  'worker stopped for a while': async (round) => {
    const worker = round.pickWorker()
    worker?.child.kill('SIGSTOP')
    await sleep(round.next() * 6000)
    worker?.child.kill('SIGCONT')
  },
  'slot killed': async (round) => round.signalSlot('SIGKILL'),
  'slot stopped': async (round) => round.signalSlot('SIGSTOP'),
  "producer's connection cut": async (round) => round.place.producer.cut(),
  "workers' connections cut": async (round) => round.place.worker.cut(),
  'connections cut within a frame': async (round) => {
    const bytes = () => Math.floor(round.next() * 2000)
    for (const proxy of [round.place.producer, round.place.worker]) proxy.cutAfter(bytes)
  },
  "producer's connection half open": async (round) => round.place.producer.swallow('up', 'down'),
  "workers' connections half open": async (round) =>
    round.place.worker.swallow(...(round.next() < 0.5 ? (['up', 'down'] as const) : (['down'] as const))),
  'connections slow': async (round) => {
    for (const proxy of [round.place.producer, round.place.worker]) proxy.slow(10_000)
    await sleep(round.next() * 2000)
    for (const proxy of [round.place.producer, round.place.worker]) proxy.slow(undefined)
  },
  'broker ended and started': async (round) => round.place.restart('stop'),
  'broker killed and started': async (round) => round.place.restart('kill'),
  'broker short of memory': async (round) => {
    await round.place.node.tell('set_vm_memory_high_watermark', '0.000001')
    await sleep(round.next() * 1000)
    await round.place.node.tell('set_vm_memory_high_watermark', '0.4')
  },
  'queue of tasks purged': async (round) => round.eachQueue(/\.Chaos\./, (queue) => round.place.node.tell('purge_queue', queue)),
  'queue of tasks deleted': async (round) => round.eachQueue(/\.Chaos\./, (queue) => round.place.node.tell('delete_queue', queue)),
  'queue of replies deleted': async (round) => round.eachQueue(/\.reply\./, (queue) => round.place.node.tell('delete_queue', queue)),
} as const satisfies Readonly<Record<string, (round: Round) => Promise<unknown>>>

export type FaultKind = keyof typeof FAULTS | `partition: ${NonNullable<ChaosParams['deed']>}`

/** These take seconds each, and come less often. */
const SLOW: ReadonlySet<string> = new Set(['broker ended and started', 'broker killed and started', 'broker short of memory'])
const DEEDS = ['exit', 'abort', 'kill', 'stop', 'killWorker'] as const

/** A job that was drawn. */
interface Drawn {
  readonly name: string
  readonly params: ChaosParams
  readonly partitions: number
  readonly expected: number
}

export class Round {
  readonly next: () => number
  readonly place: Place
  readonly seed: number
  readonly namespace: string
  workers: RunningWorker[] = []
  readonly #faults: FaultKind[] = []
  readonly #recoveries: number[] = []
  #sufferedAt: number | undefined

  constructor(place: Place, seed: number) {
    this.place = place
    this.seed = seed
    this.next = random(seed * 31 + 7)
    this.namespace = `chaos-${process.pid}-${seed}`
  }

  async run(): Promise<RoundEnd> {
    const { next, seed } = this
    const started = performance.now()
    const many = 1 + Math.floor(next() * 3)
    const drawn = await this.#draw()
    const late = next() < 0.2
    if (!late) for (let i = 0; i < many; i++) await this.addWorker()
    const jobs = drawn.map((one) => this.#start(one))
    const over = new AbortController()
    const hang = sleep(HANG_MS, 'hang' as const, { signal: over.signal }).catch(() => 'over' as const)
    if (late) await this.addWorker()
    const suffered = this.#suffer(over.signal)
    const watched = jobs.map((job) => this.#watch(job))
    const how = await Promise.race([
      Promise.all(jobs).then(
        (values) => ({ values }),
        (error: PymarError) => ({ error }),
      ),
      hang,
    ])
    over.abort()
    for (const job of jobs) job.cancel()
    await Promise.all([suffered, ...watched])
    await Promise.all(this.workers.map((worker) => worker.end()))
    const end = { seed, jobs: jobs.length, faults: this.#faults, recoveries: this.#recoveries, ms: performance.now() - started }
    if (typeof how === 'string') return { ...end, what: 'hang' }
    if ('error' in how) return { ...end, what: 'error', error: how.error }
    return { ...end, what: drawn.every(({ expected }, i) => Object.is(how.values[i], expected)) ? 'answer' : 'wrong answer' }
  }

  /** One job, or some that run beside each other, with what each must give. */
  async #draw(): Promise<Drawn[]> {
    const { next } = this
    const drawn: Drawn[] = []
    for (let left = next() < 0.6 ? 1 : 2 + Math.floor(next() * 3); left > 0; left--) {
      const params = this.#params(drawn.length)
      // It shapes the tree, and so the last bits.
      const partitions = 5 + Math.floor(next() * 60)
      Chaos.WORKERS_NUMBER = partitions
      const expected = await inline.map(Chaos, new DataSourceFactory(Script, { params: { items: params.items } }))
      drawn.push({ params, partitions, expected, name: `${this.seed}-${drawn.length}` })
    }
    return drawn
  }

  async addWorker(): Promise<void> {
    const slots = String(1 + Math.floor(this.next() * 2))
    const args = ['-w', slots, '-p', 'Chaos', '-q', this.#url(this.place.worker), '--namespace', this.namespace]
    this.workers.push(await startWorker(CHAOS, ...args))
  }

  pickWorker(): RunningWorker | undefined {
    return this.workers[Math.floor(this.next() * this.workers.length)]
  }

  signalSlot(signal: NodeJS.Signals): void {
    const pid = this.pickWorker()?.child.pid
    const [slot] = pid === undefined ? [] : slotsOf(pid)
    try {
      if (slot !== undefined) process.kill(slot, signal)
    } catch (error) {
      // It has just ended by itself: that is a fault too.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }

  async eachQueue(which: RegExp, act: (queue: string) => Promise<unknown>): Promise<void> {
    const names = await this.place.node.ask('list_queues', 'name')
    // It may be gone by now, or not take that: then nothing has happened.
    for (const name of names) if (name.includes(this.namespace) && which.test(name)) await act(name).catch(() => {})
  }

  #url(proxy: TcpProxy): string {
    return `${proxy.url}${proxy.url.endsWith('/') ? '' : '/'}?heartbeat=1`
  }

  #params(job: number): ChaosParams {
    const { next } = this
    const items = 40 + Math.floor(next() * 300)
    const ms = next() * 8
    if (job > 0 || next() < 0.7) return { items, ms }
    const deed = DEEDS[Math.floor(next() * DEEDS.length)] as (typeof DEEDS)[number]
    this.#faults.push(`partition: ${deed}`)
    const mark = `${this.place.checkpoints}/${this.seed}-mark`
    return { items, ms, deed, at: Math.floor(next() * items), times: deed === 'killWorker' ? 1 : 1 + Math.floor(next() * 2), mark }
  }

  #start({ params, partitions, name }: Drawn): Job<number> {
    const { next, namespace } = this
    const kept = next() < 0.3 ? { checkpoint: `${this.place.checkpoints}/${name}` } : {}
    const options = {
      queue: this.#url(this.place.producer),
      namespace,
      maxAttempts: 1000,
      quorum: next() < 0.2,
      speculation: next() < 0.8,
      ...kept,
    }
    Chaos.WORKERS_NUMBER = partitions
    return Chaos.map(new DataSourceFactory(Script, { params }), options)
  }

  /** Faults, one after the other, somewhere in the life of the job. */
  async #suffer(over: AbortSignal): Promise<void> {
    const { next } = this
    const kinds = Object.keys(FAULTS) as (keyof typeof FAULTS)[]
    for (let left = 1 + Math.floor(next() * 3); left > 0 && !over.aborted; left--) {
      await sleep(next() * 400)
      let kind = kinds[Math.floor(next() * kinds.length)] as keyof typeof FAULTS
      if (SLOW.has(kind) && next() < 0.5) kind = 'worker killed'
      if (over.aborted) return
      this.#faults.push(kind)
      const began = performance.now()
      this.#sufferedAt ??= began
      await FAULTS[kind](this)
      // Whoever was killed by user code has to be replaced.
      this.workers = this.workers.filter(({ child }) => child.exitCode === null && child.signalCode === null)
      if (this.workers.length === 0 && !over.aborted) await this.addWorker()
    }
    while (!over.aborted) {
      await sleep(500, undefined, { signal: over }).catch(() => {})
      this.workers = this.workers.filter(({ child }) => child.exitCode === null && child.signalCode === null)
      if (this.workers.length === 0 && !over.aborted) await this.addWorker()
    }
  }

  async #watch(job: Job<number>): Promise<void> {
    const recovered = () => {
      if (this.#sufferedAt !== undefined) this.#recoveries.push(performance.now() - this.#sufferedAt)
      this.#sufferedAt = undefined
    }
    try {
      for await (const _ of job.partials()) recovered()
      recovered()
    } catch {
      // What it failed of is the round's to tell.
    }
  }
}

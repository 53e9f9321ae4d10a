import { PymarError } from '../errors.ts'
import type { JobFileAt } from '../job/job-file.ts'
import type { ExportedClass } from '../job/load.ts'
import { clearInterval, setInterval, setTimeout } from '../timers.ts'
import { restoreError } from '../wire/error-record.ts'
import { Lease, type LeaseAssignment } from './lease.ts'
import { LoadFailures } from './load-failures.ts'
import type { SlotJob } from './messages.ts'
import { AHEAD_MS, Slot, type SlotOwner } from './slot.ts'
import type { Exit, SlotSettings } from './slot-process.ts'
import { StoppedProcesses } from './stopped.ts'

export interface PoolSettings extends SlotSettings {
  /** Processes at most. */
  readonly slots: number
}

/** Slots that do not end by themselves when the pool is closed are killed after this long, in milliseconds. */
const CLOSE_GRACE_MS = 500
/** Where more job files want slots than there are, one keeps a slot for this long, in milliseconds. */
const TURN_MS = 1000
/** After a process could not be started, none is tried for this long, in milliseconds, as long as others are there. */
const START_PAUSE_MS = 1000

/** Pools of this process that have not been closed: their slots end with it at the latest. */
const POOLS = new Set<SlotPool>()
process.once('exit', () => {
  for (const pool of POOLS) pool.kill()
})

/**
 * The slots of one process: started when there is work for them, kept warm, replaced when they die, shared by all jobs.
 *
 * It decides which task goes to which slot, and nothing else: whether a lost task is tried again is for its owner to say.
 * Idle slots do not keep the process alive, and none outlives it.
 */
export class SlotPool {
  readonly settings: PoolSettings
  readonly #slots = new Set<Slot<LeaseAssignment>>()
  /** Slots that take no more tasks and whose end has not been seen. */
  readonly #leaving = new Set<Slot<LeaseAssignment>>()
  /** Slots that are given nothing more, because another job file waits for one. */
  readonly #draining = new Set<Slot<LeaseAssignment>>()
  readonly #stopped = new StoppedProcesses(() => this.#slots)
  readonly #loadFailures = new LoadFailures()
  readonly #leases = new Set<Lease<unknown>>()
  /** Leases that have tasks queued, in turn, by file. */
  readonly #waiting = new Map<string, Set<Lease<unknown>>>()
  #tickets = 0
  #closed = false
  #balanceTimer: NodeJS.Timeout | undefined
  #startPause: NodeJS.Timeout | undefined
  #preload: { readonly file: JobFileAt; resolve(classes: readonly ExportedClass[]): void; reject(error: unknown): void } | undefined
  #emptied: (() => void) | undefined

  constructor(settings: PoolSettings) {
    this.settings = settings
    POOLS.add(this)
  }

  /** Slots that are there, busy or not. */
  get size(): number {
    return this.#slots.size
  }

  /** Starts slots for so many tasks, before it is known which file they load. */
  warm(tasks: number): void {
    while (!this.#closed && this.#slots.size < Math.min(tasks, this.settings.slots)) this.#start()
  }

  /**
   * Has all slots import a job file before there is work for them.
   *
   * @returns What the file exports, when all of them have it.
   */
  preload(file: JobFileAt): Promise<readonly ExportedClass[]> {
    return new Promise((resolve, reject) => {
      this.#preload = { file, resolve, reject }
      this.#loadAll(file)
    })
  }

  #loadAll(file: JobFileAt) {
    this.warm(this.settings.slots)
    for (const slot of this.#slots) slot.load(file)
  }

  /** Opens the pool to one job. */
  lease<Key>(file: JobFileAt, job: SlotJob): Lease<Key> {
    const lease: Lease<Key> = new Lease(file, job, {
      queueLimit: this.settings.slots,
      ticket: () => ++this.#tickets,
      queued: () => this.#enqueue(lease as Lease<unknown>),
      assign: () => this.#assign(),
      close: () => this.#closeLease(lease as Lease<unknown>),
    })
    this.#leases.add(lease as Lease<unknown>)
    return lease
  }

  /** Ends all slots; resolves when they are gone. */
  async close(): Promise<void> {
    this.#closed = true
    this.#stopped.close()
    POOLS.delete(this)
    for (const slot of [...this.#slots]) this.#leave(slot)
    if (this.#leaving.size === 0) return
    // An interval, since slots do not keep the process alive, and this promise must.
    const late = setInterval(() => this.kill(), CLOSE_GRACE_MS)
    await new Promise<void>((done) => {
      this.#emptied = done
    })
    clearInterval(late)
  }

  /** Ends all slots now, whatever they are doing. */
  kill(): void {
    for (const slot of [...this.#slots, ...this.#leaving]) slot.kill()
  }

  #start(): Slot<LeaseAssignment> {
    const slot = new Slot<LeaseAssignment>(this.settings, this.#owner)
    this.#slots.add(slot)
    return slot
  }

  #leave(slot: Slot<LeaseAssignment>) {
    this.#slots.delete(slot)
    this.#leaving.add(slot)
    slot.leave()
  }

  #closeLease(lease: Lease<unknown>) {
    this.#leases.delete(lease)
    this.#unqueue(lease)
    for (const slot of this.#slots) slot.closeJob(lease.job.id)
  }

  /** Gives out what is queued, as long as slots take it: one task of each file in turn, of each of a file's leases in turn. */
  #assign() {
    if (this.#closed) return
    this.#draining.clear()
    for (let given = true; given; ) {
      given = false
      for (const leases of this.#waiting.values()) given = this.#giveOne(leases) || given
    }
    this.#balance()
  }

  /** @param leases Those of one file that have tasks queued. */
  #giveOne(leases: Set<Lease<unknown>>): boolean {
    const [lease] = leases as Set<Lease<unknown>> & [Lease<unknown>]
    const slot = lease.queued > 0 && this.#slotFor(lease.file)
    if (slot === undefined) return false
    this.#unqueue(lease)
    // Otherwise what it had queued was stopped meanwhile.
    if (slot) lease.take(slot)
    if (lease.queued > 0) this.#enqueue(lease)
    return true
  }

  #enqueue(lease: Lease<unknown>) {
    const leases = this.#waiting.get(lease.file.url) ?? new Set()
    this.#waiting.set(lease.file.url, leases.add(lease))
  }

  #unqueue(lease: Lease<unknown>) {
    const leases = this.#waiting.get(lease.file.url)
    if (leases?.delete(lease) && leases.size === 0) this.#waiting.delete(lease.file.url)
  }

  /** An idle slot with this file loaded, else a new one, else one of another file's, else one that can take a task ahead. */
  #slotFor(file: JobFileAt): Slot<LeaseAssignment> | undefined {
    const open = [...this.#slots].filter((slot) => slot.room > 0 && !this.#draining.has(slot))
    const mine = open.filter((slot) => slot.file?.url === file.url)
    const idle = mine.find((slot) => slot.idle) ?? open.find((slot) => !slot.file)
    if (idle) return idle
    if (this.#slots.size < this.settings.slots && !this.#startPause) return this.#start()
    return this.#takeOver(file) ?? mine.sort((a, b) => a.held - b.held)[0]
  }

  /**
   * A slot in place of another file's. Files that want slots get equal shares; one that has more than its share, or has had
   * its turn where there are more files than slots, gives one up as soon as that is idle.
   */
  #takeOver(file: JobFileAt): Slot<LeaseAssignment> | undefined {
    const others = [...this.#slots].filter((slot) => slot.file && slot.file.url !== file.url)
    if (others.length === 0) return undefined
    const wanted = this.#waiting
    const share = Math.max(1, Math.floor(this.settings.slots / wanted.size))
    const count = (url: string | undefined) => [...this.#slots].filter((slot) => slot.file?.url === url).length
    if (count(file.url) >= share) return undefined
    const unwanted = others.find((slot) => slot.idle && !wanted.has(slot.file?.url ?? ''))
    const victim = unwanted ?? others.find((slot) => count(slot.file?.url) > share || slot.boundMs > TURN_MS)
    if (!victim) return undefined
    if (!victim.idle) {
      this.#draining.add(victim)
      return undefined
    }
    this.#leave(victim)
    return this.#start()
  }

  /** Where nothing is queued any more, an idle slot takes over a task that waits behind another one. */
  #balance() {
    for (const slot of this.#slots) {
      if (!slot.idle || !slot.loaded || slot.room === 0 || this.#draining.has(slot)) continue
      const busier = [...this.#slots].filter((other) => other.file?.url === slot.file?.url && other.held > 1)
      const assignment = busier
        .sort((a, b) => b.held - a.held)
        .find((other) => other.isStuck)
        ?.takeBack()
      assignment?.lease.again(assignment, slot)
      // Short tasks are done sooner where they are; it is soon known whether these are.
      if (busier.length > 0) this.#balanceTimer ??= setTimeout(() => this.#balanceAgain(), 2 * AHEAD_MS).unref()
    }
  }

  #balanceAgain() {
    this.#balanceTimer = undefined
    this.#balance()
  }

  readonly #owner: SlotOwner<LeaseAssignment> = {
    loaded: (slot, classes) => {
      this.#loadFailures.over(slot.file)
      if (![...this.#slots].every((other) => other.loaded)) return
      this.#preload?.resolve(classes)
      this.#preload = undefined
    },
    slowLoad: (file) => this.#loadFailures.slow(file),
    started: (_slot, assignment) => assignment.lease.events?.started(assignment.key),
    ended: (slot, assignment, outcome) => {
      assignment.lease.settle(assignment)
      assignment.lease.events?.ended(assignment.key, outcome, slot.pid)
    },
    free: () => this.#assign(),
    returned: (tasks) => {
      for (const assignment of tasks.reverse()) assignment.lease.again(assignment)
      this.#assign()
    },
    broken: (slot, record) => {
      this.#slots.delete(slot)
      this.#leaving.add(slot)
      this.#breakLeases(slot.file, () => restoreError(record))
    },
    gone: (slot, exit, running) => {
      this.#slots.delete(slot)
      this.#leaving.delete(slot)
      if (this.#slots.size + this.#leaving.size === 0) this.#emptied?.()
      if (exit.cause === 'start') this.#notStarted(exit)
      else if (!slot.loaded && slot.file && !slot.leaving) {
        const error = this.#loadFailures.ended(slot.file, exit)
        if (error) this.#breakLeases(slot.file, error)
      }
      if (running) {
        running.lease.settle(running)
        running.lease.events?.lost(running.key, { pid: slot.pid, exit: exit.how })
      }
      if (this.#preload && exit.cause !== 'start') this.#loadAll(this.#preload.file)
      this.#assign()
    },
  }

  /** With other slots there it is a matter of time; without any, nothing can be computed. */
  #notStarted({ how }: Exit) {
    this.#startPause ??= setTimeout(() => {
      this.#startPause = undefined
      this.#assign()
    }, START_PAUSE_MS).unref()
    if (this.#slots.size > 0) return
    const error = () => new PymarError('WORKER_LOST', `Cannot start a slot: ${how}`)
    for (const lease of [...this.#leases]) lease.fail(error())
    this.#preload?.reject(error())
    this.#preload = undefined
  }

  /** Each job gets an error of its own, with its own stack. */
  #breakLeases(file: JobFileAt | undefined, error: () => unknown) {
    this.#loadFailures.over(file)
    for (const lease of [...this.#leases]) if (lease.file.url === file?.url) lease.fail(error())
    if (!this.#preload || this.#preload.file.url !== file?.url) return
    this.#preload.reject(error())
    this.#preload = undefined
  }
}

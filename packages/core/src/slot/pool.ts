import { fileURLToPath } from 'node:url'
import { PymarError } from '../errors.ts'
import { Lease, type LeasedTask } from './lease.ts'
import type { SlotJob } from './messages.ts'
import { type JobFileAt, Slot, type SlotOwner } from './slot.ts'
import type { Exit, SlotSettings } from './slot-process.ts'

export interface PoolSettings extends SlotSettings {
  /** Processes at most. */
  readonly slots: number
}

/** Slots in a row that a signal ends while they load the job file, before that is called the file's fault. */
const LOAD_ATTEMPTS = 10
/** Slots that do not end by themselves when the pool is closed are killed after this long, in milliseconds. */
const CLOSE_GRACE_MS = 500

/**
 * The slots of one process: started when there is work for them, kept warm, replaced when they die, shared by all jobs.
 *
 * It decides which task goes to which slot, and nothing else: whether a lost task is tried again is for its owner to say.
 * Idle slots do not keep the process alive, and none outlives it.
 */
export class SlotPool {
  readonly settings: PoolSettings
  readonly #slots = new Set<Slot<LeasedTask>>()
  /** Slots that take no more tasks and whose end has not been seen. */
  readonly #leaving = new Set<Slot<LeasedTask>>()
  #leases: Lease<unknown>[] = []
  #tickets = 0
  #failedLoads = 0
  #emptied: (() => void) | undefined

  constructor(settings: PoolSettings) {
    this.settings = settings
    process.once('exit', this.#killAll)
  }

  /** Slots that are there, busy or not. */
  get size(): number {
    return this.#slots.size
  }

  /** Starts slots for so many tasks, before it is known which file they load. */
  warm(tasks: number): void {
    while (this.#slots.size < Math.min(tasks, this.settings.slots)) this.#start()
  }

  /** Opens the pool to one job. */
  lease<Key>(file: JobFileAt, job: SlotJob): Lease<Key> {
    const lease: Lease<Key> = new Lease(file, job, {
      queueLimit: this.settings.slots,
      ticket: () => ++this.#tickets,
      assign: () => this.#assign(),
      close: () => this.#closeLease(lease as Lease<unknown>),
    })
    this.#leases.push(lease as Lease<unknown>)
    return lease
  }

  /** Ends all slots; resolves when they are gone. */
  async close(): Promise<void> {
    process.removeListener('exit', this.#killAll)
    for (const slot of [...this.#slots]) this.#leave(slot)
    if (this.#leaving.size === 0) return
    const late = setTimeout(() => this.#killAll(), CLOSE_GRACE_MS)
    await new Promise<void>((done) => {
      this.#emptied = done
    })
    clearTimeout(late)
  }

  readonly #killAll = () => {
    for (const slot of [...this.#slots, ...this.#leaving]) slot.kill()
  }

  #start(): Slot<LeasedTask> {
    const slot = new Slot<LeasedTask>(this.settings, this.#owner)
    this.#slots.add(slot)
    return slot
  }

  #leave(slot: Slot<LeasedTask>) {
    this.#slots.delete(slot)
    this.#leaving.add(slot)
    slot.leave()
  }

  #closeLease(lease: Lease<unknown>) {
    this.#leases = this.#leases.filter((other) => other !== lease)
    for (const slot of this.#slots) slot.closeJob(lease.job.id)
  }

  /** Gives out what is queued: one task of each lease in turn, as long as a slot takes one. */
  #assign() {
    for (let refused = 0; refused < this.#leases.length; ) {
      const lease = this.#leases.shift() as Lease<unknown>
      this.#leases.push(lease)
      const slot = lease.queued > 0 ? this.#slotFor(lease.file) : undefined
      if (slot) {
        refused = 0
        lease.take(slot)
      } else refused++
    }
    this.#balance()
  }

  /** An idle slot with this file loaded, else a new one, else one that can take a task ahead. */
  #slotFor(file: JobFileAt): Slot<LeasedTask> | undefined {
    const open = [...this.#slots].filter((slot) => slot.room > 0)
    const mine = open.filter((slot) => slot.file?.url === file.url)
    const idle = mine.find((slot) => slot.idle) ?? open.find((slot) => !slot.file)
    if (idle) return idle
    if (this.#slots.size < this.settings.slots) return this.#start()
    const foreign = open.find((slot) => slot.idle)
    if (foreign) {
      this.#leave(foreign)
      return this.#start()
    }
    return mine.sort((a, b) => a.waiting - b.waiting)[0]
  }

  /** Where nothing is queued any more, an idle slot takes over a task that waits behind another one. */
  #balance() {
    for (const slot of this.#slots) {
      if (!slot.idle || !slot.loaded || slot.room === 0) continue
      const donors = [...this.#slots].filter((other) => other.file?.url === slot.file?.url && other.waiting > 1)
      const task = donors.sort((a, b) => b.waiting - a.waiting)[0]?.takeBack()
      task?.lease.again(task, slot)
    }
  }

  readonly #owner: SlotOwner<LeasedTask> = {
    started: (_slot, task) => task.lease.events?.started(task.key),
    ended: (slot, task, outcome) => {
      task.lease.settle(task)
      task.lease.events?.ended(task.key, outcome, slot.pid)
    },
    free: () => this.#assign(),
    returned: (tasks) => {
      for (const task of tasks.reverse()) task.lease.again(task)
      this.#assign()
    },
    broken: (slot, error) => {
      this.#slots.delete(slot)
      this.#leaving.add(slot)
      this.#breakLeases(slot.file, error)
    },
    gone: (slot, exit, running) => {
      this.#slots.delete(slot)
      this.#leaving.delete(slot)
      if (this.#slots.size + this.#leaving.size === 0) this.#emptied?.()
      if (slot.loaded) this.#failedLoads = 0
      else if (slot.file && !slot.leaving) this.#failedLoad(slot.file, exit)
      if (running) {
        running.lease.settle(running)
        running.lease.events?.lost(running.key, { pid: slot.pid, exit: exit.how })
      }
      this.#assign()
    },
  }

  /** A signal may come from anywhere; an exit while the file is imported is the file's own doing. */
  #failedLoad(file: JobFileAt, { how, cause }: Exit) {
    if (cause === 'launcher') return
    this.#failedLoads++
    if (cause === 'signal' && this.#failedLoads < LOAD_ATTEMPTS) return
    const path = fileURLToPath(file.url)
    const error =
      cause === 'start'
        ? new PymarError('WORKER_LOST', `Cannot start a slot for ${path}: ${how}`)
        : new PymarError('JOB_FILE', `Cannot load job file ${path}: the slot ended with ${how} while it imported it`)
    this.#breakLeases(file, error)
  }

  #breakLeases(file: JobFileAt | undefined, error: unknown) {
    for (const lease of this.#leases.filter((other) => other.file.url === file?.url)) lease.events?.broken(error)
  }
}

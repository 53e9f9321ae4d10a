import type { PymarError } from '../errors.ts'
import type { TlsOptions } from '../options.ts'
import { keepAlive, now, setTimeout, withLimit } from '../timers.ts'
import type { Broker } from '../wire/broker-url.ts'
import { type ChannelModel, type Message, openSession, type Session } from './amqp-session.ts'
import { cut, end } from './amqp-socket.ts'
import { Blockage } from './blockage.ts'
import { blockedError, type PublishRefused } from './broker-error.ts'
import { Publisher } from './publisher.ts'
import { NO_ANSWER, Queues } from './queues.ts'
import { FIRST_DELAY_MS, LONGEST_DELAY_MS, SAY_AFTER_MS, Tries } from './tries.ts'

export interface LinkOwner {
  /** Declares and consumes what it needs, on each new connection. */
  setup(session: Session): Promise<void>
  /** The connection is gone; another one is tried. */
  lost(): void
  /**
   * None has come for a while: this is why. Others are tried; it is said once for each time that there is none.
   *
   * @param isRefused Whether there is one now and then, which the broker closes for what is published over it.
   */
  waiting(error: PymarError, isRefused: boolean): void
  /** None came for too long, or was refused: the link is closed. */
  failed(error: PymarError): void
  /** A message that was published as mandatory found no queue. */
  returned(message: Message): void
}

export interface LinkSettings {
  readonly broker: Broker
  readonly tls?: TlsOptions
  /** Milliseconds without a connection after which the link fails; Infinity: never. */
  readonly timeoutMs: number
}

const SETUP_LIMIT_MS = 60_000
/** What is refused is refused within so many milliseconds, or it was of use that there was a connection. */
const SOON_MS = 10_000
/** A connection that was there for less than so many milliseconds was lost at once. */
const SHORT_MS = 1000

/** A connection to a broker that comes back. */
export class Link {
  readonly #settings: LinkSettings
  readonly #owner: LinkOwner
  #session: Session | undefined
  /** One that is about to close. */
  #ending: Session | undefined
  #opening: Promise<void> | undefined
  #closed = false
  #isBlocked = false
  /** Ends a connection that is on its way. One for each: Node lets a signal hold every socket that was given it. */
  #onItsWay: AbortController | undefined
  /** Whether the session has been set up. */
  #ready = false
  #wasReady = false
  #readyAt = 0
  /** How long was waited before this one, since the one before it was lost at once. */
  #pauseMs = 0
  /** Those of which the last one gave a connection that the broker has closed, for what was published over it. */
  #refused: Tries | undefined
  /** Says what there is to say, over whatever connection there is. */
  readonly publisher = new Publisher(this)
  /** What the broker knows of its queues, asked over whatever connection there is. */
  readonly queues = new Queues(this)

  constructor(settings: LinkSettings, owner: LinkOwner) {
    this.#settings = settings
    this.#owner = owner
  }

  /** Whether the broker takes nothing now. */
  get isBlocked(): boolean {
    return this.#isBlocked
  }

  /** The connection, where there is one now. */
  get session(): Session | undefined {
    return this.#session
  }

  /**
   * Connects, if that is not so.
   *
   * @throws {PymarError} `BROKER` if it was refused, or not there for as long as the settings say.
   */
  open(): Promise<void> {
    this.#opening ??= this.#opened(this.#connectFirst())
    return this.#opening
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#onItsWay?.abort()
    const session = this.#session
    this.#session = undefined
    if (!session) return
    await keepAlive(end(session.model))
  }

  /** Begins anew on another connection: something that this one rests on was taken away. */
  restart(): void {
    if (!this.#session || this.#session === this.#ending) return
    this.#ending = this.#session
    void end(this.#session.model)
  }

  #tries(): Tries {
    const { broker, timeoutMs } = this.#settings
    return new Tries({
      broker,
      timeoutMs,
      // Whoever waits for ever has been let in before, or is told at once.
      isPatient: () => this.#wasReady && timeoutMs === Number.POSITIVE_INFINITY,
      say: (error, isRefused) => this.#owner.waiting(error, isRefused),
    })
  }

  async #connect(tries: Tries): Promise<void> {
    while (!this.#closed) {
      try {
        return await this.#connectOnce(tries.begin())
      } catch (error) {
        if (this.#closed) return
        if (!this.publisher.learns(error)) await tries.failed(error)
      }
    }
  }

  #connectFirst(): Promise<void> {
    this.#refused = undefined
    return this.#connect(this.#tries())
  }

  /** @param refusal Why the broker has closed the connection, if that was for what was published over it: that is published again over the next. */
  async #reconnect(refusal: PublishRefused | undefined): Promise<void> {
    const isSoon = now() - this.#readyAt < SOON_MS
    const tries = (refusal && isSoon && this.#refused) || this.#tries()
    this.#refused = refusal && tries
    if (refusal && !this.publisher.learns(refusal)) await tries.failed(refusal)
    await this.#pause()
    await this.#connect(tries)
  }

  /** Where connections are lost at once, one after the other, the next one waits, ever longer: it may be something that is done on each that loses it. */
  async #pause() {
    const isShort = now() - this.#readyAt < SHORT_MS
    this.#pauseMs = isShort ? Math.min(LONGEST_DELAY_MS, Math.max(FIRST_DELAY_MS, 2 * this.#pauseMs)) : 0
    if (isShort) await new Promise((later) => setTimeout(later, this.#pauseMs * (0.5 + Math.random() / 2)).unref())
  }

  /** @param leftMs How long it may take. */
  async #connectOnce(leftMs: number): Promise<void> {
    let gone = false
    this.#onItsWay = new AbortController()
    const session = await openSession(this.#settings, leftMs, this.#onItsWay.signal, (model) => {
      const blockage = this.#blockage(model)
      model.on('close', () => {
        gone = true
        this.#isBlocked = false
        blockage.end()
        this.#lost(model)
      })
    })
    // From now on it is ended in order.
    this.#onItsWay = undefined
    if (this.#closed) return end(session.model)
    session.publisher.on('return', (message) => this.#owner.returned(message))
    // Before it is set up: tasks come as soon as they are asked for, and their answers must find a way.
    this.#session = session
    try {
      await withLimit(this.#owner.setup(session), Math.min(SETUP_LIMIT_MS, leftMs), NO_ANSWER)
      if (gone) throw new Error('the connection was lost while it was set up')
      this.#ready = true
      this.#wasReady = true
      this.#readyAt = now()
    } catch (error) {
      this.#session = undefined
      await end(session.model)
      throw session.refusal ?? error
    }
    if (this.#closed) await end(session.model)
  }

  #blockage(model: ChannelModel): Blockage {
    const { broker, timeoutMs } = this.#settings
    const blockage = new Blockage({
      sayAfterMs: SAY_AFTER_MS,
      limitMs: timeoutMs,
      say: (reason) => this.#owner.waiting(blockedError(broker, Number.POSITIVE_INFINITY, reason), false),
      giveUp: (reason) => {
        if (this.#session?.model !== model) return
        this.#session = undefined
        this.#ready = false
        this.#opening = undefined
        cut(model.connection)
        this.#owner.failed(blockedError(broker, timeoutMs, reason))
      },
    })
    model.on('blocked', (reason) => {
      this.#isBlocked = true
      blockage.begin(reason)
    })
    model.on('unblocked', () => {
      this.#isBlocked = false
      blockage.end()
    })
    return blockage
  }

  #lost(model: ChannelModel) {
    // One that is lost while it is set up is for whoever sets it up to replace.
    if (this.#session?.model !== model || !this.#ready || this.#closed) return
    const { refusal } = this.#session
    this.#session = undefined
    this.#ready = false
    this.#owner.lost()
    this.#opening = this.#opened(this.#reconnect(refusal))
    this.#opening.catch((error) => this.#owner.failed(error))
  }

  /** A broker that was not there may be there when it is asked for again. */
  async #opened(connecting: Promise<void>): Promise<void> {
    try {
      await connecting
    } catch (error) {
      this.#opening = undefined
      throw error
    }
  }
}

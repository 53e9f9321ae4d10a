/** Messages on their way to the broker at once: what is to be said beyond that waits, and goes together. */
const UNDER_WAY = 8

/**
 * Says when to publish. With little to say it is at the end of a turn; with much, when the broker has taken what was said
 * before: so there are few messages of many parts instead of many of one, and nothing waits for a timer.
 */
export class Pace {
  readonly #when: (then: () => void) => void
  readonly #publish: () => void
  #underWay = 0
  #wanted = false
  #scheduled = false

  /**
   * @param when The end of what is said together: of this turn, or of the event loop's, in which sockets and pipes may bring more.
   * @param publish Publishes what waits, as long as there is room.
   */
  constructor(when: (then: () => void) => void, publish: () => void) {
    this.#when = when
    this.#publish = publish
  }

  get hasRoom(): boolean {
    return this.#underWay < UNDER_WAY
  }

  /** Something waits to be published. */
  want(): void {
    this.#wanted = true
    if (!this.hasRoom || this.#scheduled) return
    this.#scheduled = true
    this.#when(() => {
      this.#scheduled = false
      this.#wanted = false
      this.#publish()
    })
  }

  /** A message is on its way. */
  sent(): void {
    this.#underWay++
  }

  /** The broker has it, or will never have. */
  settled(): void {
    this.#underWay--
    if (this.#wanted) this.want()
  }
}

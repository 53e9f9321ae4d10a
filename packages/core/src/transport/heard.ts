/** So many looks in a row that find nothing taken: of a queue that refuses what it is given, and of one of which nothing is heard. */
const REFUSED_LOOKS = 3
const SILENT_LOOKS = 10
/** Where another connection does not help either, the next one is given so many times as long, up to so many times. */
const LONGER = 2
const MOST_PATIENCE = 16

/**
 * What the broker says of messages that were published to one queue, as it is looked at from time to time.
 *
 * Looks are counted and not time, since a process that was busy hears only afterwards what was said meanwhile.
 */
export class Heard {
  /** Messages of which it is not known that the broker has them. */
  #waiting = 0
  /** Whether it has refused the latest of which it said anything. */
  #isRefused = false
  /** Whether it has taken anything since it was last looked at. */
  #hasTaken = false
  /** Looks in a row that found nothing taken. */
  #looks = 0
  #patience = 1

  /** Whether nothing is to be heard of it. */
  get isIdle(): boolean {
    return this.#waiting === 0 && !this.#isRefused
  }

  published(): void {
    if (this.isIdle) this.#looks = 0
    this.#waiting++
  }

  said(what: 'taken' | 'refused' | undefined): void {
    this.#waiting--
    if (what === undefined) return
    if (what === 'taken') this.#hasTaken = true
    else if (!this.#isRefused) this.#looks = 0
    this.#isRefused = what === 'refused'
  }

  /** Another connection is another try. */
  beginAnew(): void {
    this.#isRefused = false
    this.#hasTaken = false
    this.#looks = 0
  }

  /** @param isKept Whether it may be this side that keeps what it has not heard of. @returns Whether nothing was taken for so long that another connection is to be made. */
  look(isKept: boolean): boolean {
    if (this.#hasTaken) {
      this.#hasTaken = false
      this.#looks = 0
      // One that is full takes some and refuses some: there another connection is no help.
      if (!this.#isRefused) this.#patience = 1
      return false
    }
    this.#looks = isKept && this.#waiting > 0 && !this.#isRefused ? 0 : this.#looks + 1
    if (this.isIdle || this.#looks < (this.#isRefused ? REFUSED_LOOKS : SILENT_LOOKS) * this.#patience) return false
    this.#patience = Math.min(MOST_PATIENCE, this.#patience * LONGER)
    this.beginAnew()
    return true
  }

  /** Whether it may be forgotten. */
  get isOver(): boolean {
    return this.isIdle && this.#looks >= SILENT_LOOKS * this.#patience
  }
}

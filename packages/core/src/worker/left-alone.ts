import { setTimeout } from '../timers.ts'

/** Queues that a worker cannot take tasks from now, and leaves alone for a while: the others go on without them. */
export class LeftAlone {
  readonly #say: (line: string) => void
  /** They are to be asked again. */
  readonly #again: () => void
  readonly #queues = new Set<string>()
  /** Those of which it was said. */
  readonly #said = new Set<string>()

  constructor(say: (line: string) => void, again: () => void) {
    this.#say = say
    this.#again = again
  }

  has(queue: string): boolean {
    return this.#queues.has(queue)
  }

  /** @param found Why, as it is said once until it answers. */
  add(queue: string, found: string, ms: number): void {
    if (!this.#said.has(queue)) this.#say(`${found}; its tasks wait, and it is asked again`)
    this.#said.add(queue)
    this.#queues.add(queue)
    // By itself, since whoever has sent something there may not be heard before it answers.
    setTimeout(() => {
      this.#queues.delete(queue)
      this.#again()
    }, ms).unref()
  }

  /** It has answered. */
  delete(queue: string): void {
    this.#said.delete(queue)
  }
}

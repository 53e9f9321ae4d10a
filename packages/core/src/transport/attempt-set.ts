import type { AttemptId } from './port.ts'

/** Attempts that are under way: mostly one at each task, sometimes a copy beside it. */
export class AttemptSet<Kind extends AttemptId> {
  readonly #byTask = new Map<number, readonly Kind[]>()
  #size = 0

  get size(): number {
    return this.#size
  }

  add(attempt: Kind): void {
    this.#byTask.set(attempt.id, [...this.of(attempt.id), attempt])
    this.#size++
  }

  /** Those at one task, in the order in which they began. */
  of(id: number): readonly Kind[] {
    return this.#byTask.get(id) ?? []
  }

  find({ id, attempt }: AttemptId): Kind | undefined {
    return this.#byTask.get(id)?.find((one) => one.attempt === attempt)
  }

  has(attempt: Kind): boolean {
    return this.find(attempt) === attempt
  }

  delete(attempt: Kind): void {
    if (!this.has(attempt)) return
    const others = this.of(attempt.id).filter((one) => one !== attempt)
    if (others.length > 0) this.#byTask.set(attempt.id, others)
    else this.#byTask.delete(attempt.id)
    this.#size--
  }

  *[Symbol.iterator](): Iterator<Kind> {
    for (const attempts of this.#byTask.values()) yield* attempts
  }

  clear(): void {
    this.#byTask.clear()
    this.#size = 0
  }
}

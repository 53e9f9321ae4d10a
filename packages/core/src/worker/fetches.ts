/** Data that tasks need and do not carry. */
export interface Wanted {
  readonly job: string
  readonly what: 'shared' | 'items'
  readonly index: number
}

/** What is done with it; it gets nothing if the producer does not have it any more. */
type Use = (data: Uint8Array | undefined) => void

/** What was asked of producers, and who waits for it: each thing is asked for once. */
export class Fetches {
  readonly #ask: (replyTo: string, wanted: Wanted) => void
  readonly #waiting = new Map<string, { readonly wanted: Wanted; readonly replyTo: string; readonly uses: Use[] }>()

  constructor(ask: (replyTo: string, wanted: Wanted) => void) {
    this.#ask = ask
  }

  fetch(replyTo: string, wanted: Wanted, use: Use): void {
    const key = keyOf(wanted)
    const waiting = this.#waiting.get(key)
    if (waiting) return void waiting.uses.push(use)
    this.#waiting.set(key, { wanted, replyTo, uses: [use] })
    this.#ask(replyTo, wanted)
  }

  came(wanted: Wanted, data: Uint8Array | undefined): void {
    const key = keyOf(wanted)
    const waiting = this.#waiting.get(key)
    this.#waiting.delete(key)
    for (const use of waiting?.uses ?? []) use(data)
  }

  /** Asks again for all that has not come: what was asked, or the answer, may be lost with a connection. */
  repeat(): void {
    for (const { replyTo, wanted } of this.#waiting.values()) this.#ask(replyTo, wanted)
  }

  /** Nobody waits for anything of this job any more. */
  drop(job: string): void {
    for (const [key, { wanted }] of this.#waiting) if (wanted.job === job) this.#waiting.delete(key)
  }
}

function keyOf({ job, what, index }: Wanted): string {
  return `${job} ${what} ${index}`
}

// User code that goes wrong, in every way it can.
import { BlockSource, DataSource, type PartitionContext, Producer, PymarError } from '@pymar/core'

// Slots look sources up in the producer's own file.
export { Letters } from './joins.ts'

export class HttpError extends TypeError {
  readonly status: number
  readonly detail = { url: 'http://example.test', tries: [1, 2] }
  readonly retry = () => {}
  constructor(status: number, options?: ErrorOptions) {
    super(`status ${status}`, options)
    this.status = status
  }
}

export class Sum extends Producer<number> {
  static override WORKERS_NUMBER = 4
  static mapFn(xs: Iterable<number>, _context: PartitionContext): Iterable<number> | AsyncIterable<number> {
    return xs
  }
  static reduceFn(values: Iterable<number>) {
    let sum = 0
    for (const value of values) sum += value
    return sum
  }
}

/** Throws at item 5. */
export class Throws extends Sum {
  static override *mapFn(xs: Iterable<number>) {
    for (const x of xs) {
      if (x === 5) throw new HttpError(503, { cause: new RangeError('deeper', { cause: 'deepest' }) })
      yield x
    }
  }
}

export class ThrowsString extends Sum {
  static override mapFn(): Iterable<number> {
    throw 'just a string'
  }
}

export class ThrowsInReduce extends Sum {
  static override reduceFn(values: Iterable<number>) {
    const all = [...values]
    // Partials are at least 100 each; items are below.
    if (all.some((value) => value >= 100)) throw new RangeError('partials too large')
    return 100 + all.length
  }
}

export class NotIterable extends Sum {
  static override mapFn(): Iterable<number> {
    return 5 as never
  }
}

/** Fails as often as its first item says, by attempt. */
export class Flaky extends Sum {
  static override *mapFn(xs: Iterable<number>, { attempt }: PartitionContext) {
    for (const x of xs) {
      if (attempt <= x) throw new Error(`attempt ${attempt}`)
      yield attempt
    }
  }
}

export class Stray extends Sum {
  static override async *mapFn(xs: Iterable<number>) {
    void Promise.reject(new Error('nobody caught this'))
    await new Promise((done) => setTimeout(done, 20))
    yield* xs
  }
}

export class Endless extends Sum {
  static override *mapFn(xs: Iterable<number>) {
    for (const x of xs) {
      while (x >= 0);
      yield x
    }
  }
}

/** Never ends, but listens to its signal. */
export class Patient extends Sum {
  static override async *mapFn(xs: Iterable<number>, { signal }: PartitionContext) {
    await new Promise((_, reject) => {
      // A timer keeps the promise honest: without it a slot would have nothing to wait for.
      const timer = setInterval(() => {}, 1000)
      signal.addEventListener('abort', () => {
        clearInterval(timer)
        reject(signal.reason)
      })
    })
    yield* xs
  }
}

/** Its first attempts do not end; later ones do. */
export class PatientAtFirst extends Sum {
  static override async *mapFn(xs: Iterable<number>, context: PartitionContext) {
    if (context.attempt === 1) yield* Patient.mapFn(xs, context)
    yield* xs
  }
}

/** Throws something that has no message and cannot be made one. */
export class ThrowsOddly extends Sum {
  static override mapFn(): Iterable<number> {
    throw { toString: 5 }
  }
}

/** Writes to the channel that is not its own, and replaces what its slot uses. */
export class Meddles extends Sum {
  static override mapFn(xs: Iterable<number>) {
    process.send?.(null as never)
    process.send?.({ type: 'broken' })
    process.send?.({ type: 'ended', ticket: 'x' })
    globalThis.setImmediate = (() => {}) as never
    process.send = (() => true) as never
    return xs
  }
}

export class Closures extends Sum {
  static override mapFn(xs: Iterable<number>) {
    return Array.from(xs, (x) => (() => x) as never)
  }
  static override reduceFn(values: Iterable<number>) {
    return [...values][0] as number
  }
}

/** Ends its own slot, by what the first item says. */
export class Dies extends Sum {
  static override *mapFn(xs: Iterable<number>): Iterable<number> {
    for (const x of xs) {
      if (x === 0) process.exit(3)
      if (x === 1) process.kill(process.pid, 'SIGKILL')
      if (x === 2) process.abort()
      if (x === 3) {
        const map = new Map<number, number[]>()
        for (let i = 0; ; i++) map.set(i, [i])
      }
      if (x === 4) {
        const arrays: number[][] = []
        for (;;) arrays.push(new Array(1000).fill(0))
      }
      yield x
    }
  }
}

/** Dies in its first attempts, as many as `params` says. */
export class DiesAtFirst extends Sum {
  static override *mapFn(xs: Iterable<number>, { attempt, partition }: PartitionContext) {
    if (partition.index === 1 && attempt <= 2) process.kill(process.pid, 'SIGKILL')
    yield* xs
  }
}

export class ThrowingSource extends DataSource<number> {
  static override fullLength() {
    return 100
  }
  *[Symbol.iterator]() {
    yield this.offset
    if (this.offset > 0) throw new SyntaxError('bad item')
  }
}

export class ThrowingLength extends DataSource<number> {
  static override fullLength(): number {
    throw new URIError('no length')
  }
  *[Symbol.iterator](): Generator<number> {}
}

export class NoLength extends DataSource<number> {
  *[Symbol.iterator]() {
    for (let i = this.offset; i < this.offset + this.limit; i++) yield i
  }
}

export class OddLength extends DataSource<number, unknown> {
  static override fullLength(params: unknown) {
    return params as number
  }
  *[Symbol.iterator](): Generator<number> {}
}

/** Tells what became of its iterator, through a file whose name is in its params. */
class Letterless extends DataSource<number> {
  *[Symbol.iterator]() {}
}

export class ThrowingPlan extends Letterless {
  static override partitions() {
    const partition = {
      index: 0,
      limit: 1,
      get offset(): number {
        throw new RangeError('no offset')
      },
    }
    return { partitions: [partition] }
  }
}

export class LengthOfInstances extends Letterless {
  fullLength() {
    return 1
  }
}

/** Each item is the size of its partial, in MiB; the answer is the sizes of the partials in bytes, in order. */
export class Large extends Producer<Uint8Array | string> {
  static override WORKERS_NUMBER = 5
  static mapFn(sizes: Iterable<number>) {
    return Array.from(sizes, (size) => new Uint8Array(size * 2 ** 20))
  }
  static reduceFn(values: Iterable<Uint8Array>) {
    const all = [...values]
    return all.length === 1 ? (all[0] as Uint8Array) : all.map((bytes) => bytes.byteLength).join()
  }
}

export class ClosedBlocks extends BlockSource<number[], { file: string }> {
  static override fullLength() {
    return 1000
  }
  async *blocks(signal: AbortSignal) {
    const { appendFileSync } = await import('node:fs')
    try {
      for (let at = this.offset; at < this.offset + this.limit; at += 10) {
        await new Promise((turn) => setImmediate(turn))
        yield [at]
      }
    } finally {
      appendFileSync(this.params.file, `closed ${this.offset} ${signal.aborted}\n`)
    }
  }
}

export class ThrowsAtOnce extends Sum {
  static override mapFn(): Iterable<number> {
    throw new Error('at once')
  }
}

/** Throws what V8 writes, but cannot read. */
export class ThrowsDeep extends Sum {
  static override mapFn(): Iterable<number> {
    let tree = {}
    for (let depth = 0; depth < 2000; depth++) tree = { tree }
    throw Object.assign(new RangeError('deep'), { tree })
  }
}

/** Throws a value that holds errors which hold each other. */
export class ThrowsCircle extends Sum {
  static override mapFn(): Iterable<number> {
    const error: Error & { self?: unknown } = new Error('circle')
    error.cause = error
    error.self = error
    throw { error }
  }
}

/** An iterator of one's own making, whose steps are no promises. */
export class PlainSteps extends BlockSource<number[]> {
  static override fullLength() {
    return 1
  }
  blocks(): AsyncIterable<number[]> {
    const steps = [
      { done: false, value: [3, 4] },
      { done: true, value: undefined },
    ]
    return { [Symbol.asyncIterator]: () => ({ next: () => steps.shift() as never }) }
  }
}

/** Fails in the first attempt, as a driver would. */
export class Unreadable extends DataSource<number> {
  static override fullLength() {
    return 1
  }
  *[Symbol.iterator]() {
    if (attempts++ % 2 === 0)
      throw new PymarError('SOURCE_FAILED', 'Cannot read Unreadable: connection reset', { cause: new RangeError('driver') })
    yield 7
  }
}
let attempts = 0

export class NeedsValues extends Sum {
  static override reduceFn(values: Iterable<number>) {
    return [...values].reduce((a, b) => a + b)
  }
}

export class StartsJob extends Sum {
  static override async *mapFn() {
    yield await Sum.map([1, 2])
  }
}

class Hidden extends Sum {}
/** A producer that the job file does not export. */
export function hiddenProducer() {
  return Hidden
}

// Producers and sources whose answers show any fault in the order: joining strings is associative and not commutative.
import { BlockSource, DataSource, type Partition, type PartitionContext, type PlanContext, Producer, PymarError } from '@pymar/core'

export class Join extends Producer<string> {
  static override WORKERS_NUMBER = 5
  static *mapFn(xs: Iterable<unknown>) {
    for (const x of xs) yield String(x)
  }
  static reduceFn(values: Iterable<string>) {
    return [...values].filter((value) => value !== '').join(' ')
  }
}

export class AsyncJoin extends Producer<string> {
  static override WORKERS_NUMBER = 5
  static async *mapFn(xs: Iterable<unknown>) {
    for (const x of xs) {
      if (Number(x) % 50 === 0) await new Promise((turn) => setImmediate(turn))
      yield String(x)
    }
  }
  static async reduceFn(values: Iterable<string>) {
    return Join.reduceFn(values)
  }
}

/** Floating point sums depend on the order and the grouping: equal bits mean that both are equal. */
export class Harmonic extends Producer<number> {
  static *mapFn(xs: Iterable<number>) {
    for (const x of xs) yield 1 / (x + 1)
  }
  static reduceFn(values: Iterable<number>) {
    let sum = 0
    for (const value of values) sum += value
    return sum
  }
}

/** How each partition was made: its own description, as `mapFn` sees it. */
export class Describe extends Producer<string[]> {
  static override WORKERS_NUMBER = 3
  static mapFn(items: Iterable<unknown>, { partition, attempt, job, source, signal }: PartitionContext) {
    const { index, offset, limit, hint } = partition
    const same = source === items || Array.isArray(items) ? 'source' : 'other'
    return [[JSON.stringify({ index, offset, limit, hint, attempt, job: job.length > 0, same, aborted: signal.aborted })]]
  }
  static reduceFn(lists: Iterable<string[]>) {
    return [...lists].flat()
  }
}

type Params = { length: number; prefix?: string } | undefined

/** `0` to `length - 1`, with a prefix. */
export class Numbers extends DataSource<string | number, Params> {
  static override fullLength(params: Params) {
    return params?.length ?? 1000
  }
  *[Symbol.iterator]() {
    const { prefix = '' } = this.params ?? {}
    for (let i = this.offset; i < this.offset + this.limit; i++) yield prefix === '' ? i : `${prefix}${i}`
  }
}

export class AsyncNumbers extends DataSource<number, Params> {
  static override async fullLength(params: Params) {
    return params?.length ?? 1000
  }
  async *[Symbol.asyncIterator]() {
    for (let i = this.offset; i < this.offset + this.limit; i++) {
      if (i % 100 === 0) await new Promise((turn) => setImmediate(turn))
      yield i
    }
  }
}

const BLOCK = 7

export class ArrayBlocks extends BlockSource<number[], Params> {
  static override fullLength(params: Params) {
    return params?.length ?? 1000
  }
  *blocks() {
    const end = this.offset + this.limit
    for (let at = this.offset; at < end; at += BLOCK) yield Array.from({ length: Math.min(BLOCK, end - at) }, (_, i) => at + i)
  }
}

/** Fills the same array for each block. */
export class ReusedBlocks extends BlockSource<Int32Array, Params> {
  static override fullLength(params: Params) {
    return params?.length ?? 1000
  }
  *blocks() {
    const block = new Int32Array(BLOCK)
    const end = this.offset + this.limit
    for (let at = this.offset; at < end; at += BLOCK) {
      const items = block.subarray(0, end - at)
      for (let i = 0; i < items.length; i++) items[i] = at + i
      yield items
    }
  }
}

export class TypedBlocks extends BlockSource<Int32Array, Params> {
  static override fullLength(params: Params) {
    return params?.length ?? 1000
  }
  async *blocks() {
    const end = this.offset + this.limit
    for (let at = this.offset; at < end; at += BLOCK) {
      await new Promise((turn) => setImmediate(turn))
      yield Int32Array.from({ length: Math.min(BLOCK, end - at) }, (_, i) => at + i)
    }
  }
}

/** Its own plan: ranges of letters as hints, one more than asked for, and what they share; offset and limit count letters. */
export class Letters extends BlockSource<string[], { close?: string; mark?: string; lostAfterMs?: number } | undefined> {
  static closed = 0
  static override fullLength() {
    return 26
  }
  static override partitions(count: number, { params }: PlanContext) {
    const partitions: Partition[] = Array.from({ length: count + 1 }, (_, index) => {
      const offset = Math.floor((26 * index) / (count + 1))
      const end = Math.floor((26 * (index + 1)) / (count + 1))
      return { index, offset, limit: end - offset, hint: { from: letter(offset), to: letter(end - 1) } }
    })
    const { close: how, mark, lostAfterMs } = (params ?? {}) as { close?: string; mark?: string; lostAfterMs?: number }
    const close = async () => {
      Letters.closed++
      if (how === 'throws') throw new Error('cannot close')
    }
    if (lostAfterMs === undefined) return { partitions, close, shared: mark }
    const lost = new Promise<never>((_, reject) => {
      setTimeout(() => reject(new PymarError('SOURCE_FAILED', 'Cannot hold the letters: they are gone')), lostAfterMs)
    })
    return { partitions, close, lost }
  }
  *blocks() {
    const { from, to } = this.hint as { from: string; to: string }
    for (let code = from.charCodeAt(0); code <= to.charCodeAt(0); code++) yield [`${String.fromCharCode(code)}${this.shared ?? ''}`]
  }
}

function letter(i: number) {
  return String.fromCharCode('a'.charCodeAt(0) + i)
}

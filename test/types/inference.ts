// Checked by the compiler alone: what the static map() infers, and what it refuses.
import { BlockSource, DataSource, DataSourceFactory, type Job, type PartitionContext, Producer } from '@pymar/core'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function expectType<_Expected extends true>() {}

class Numbers extends DataSource<number> {
  *[Symbol.iterator]() {
    yield this.offset
  }
}
class Words extends DataSource<string, { language: string }> {
  *[Symbol.iterator]() {
    yield this.params.language
  }
}
class AsyncNumbers extends DataSource<number> {
  async *[Symbol.asyncIterator]() {
    yield this.offset
  }
}
class Points extends BlockSource<Float64Array> {
  *blocks() {
    yield new Float64Array(1)
  }
}

class Sum extends Producer<number> {
  static *mapFn(xs: Iterable<number>) {
    yield* xs
  }
  static reduceFn(values: Iterable<number>) {
    return [...values].length
  }
}
class Longest extends Producer<string> {
  static mapFn(words: Iterable<string>, _context: PartitionContext<Words>) {
    return words
  }
  static async reduceFn(words: Iterable<string>) {
    return [...words].at(-1) ?? ''
  }
}
class OfBlocks extends Producer<number> {
  static mapFn(points: Float64Array) {
    return points.map((x) => x * 2)
  }
  static reduceFn(values: Iterable<number>) {
    return [...values].length
  }
}

/** Uses a field of its source, as in Pymar. */
class OffsetSum extends Producer<number> {
  static *mapFn(source: Numbers) {
    for (const x of source) yield x - source.offset
  }
  static reduceFn(values: Iterable<number>) {
    return [...values].length
  }
}
class OfArrays extends Producer<number> {
  static mapFn(xs: number[]) {
    return xs.slice(1)
  }
  static reduceFn(values: Iterable<number>) {
    return [...values].length
  }
}
class Careless extends Producer<number> {
  static mapFn() {
    return [1]
  }
  static reduceFn() {
    return 1
  }
}

class MapsToNumber extends Producer<number> {
  static mapFn() {
    return 1
  }
  static reduceFn() {
    return 1
  }
}
class MapsToText extends Producer<number> {
  static mapFn(xs: Iterable<number>) {
    return Array.from(xs, String)
  }
  static reduceFn(values: Iterable<number>) {
    return [...values].length
  }
}
class Counts extends Producer<number> {
  static mapFn(words: Iterable<string>) {
    return words
  }
  static reduceFn(words: Iterable<string>) {
    return [...words].length
  }
}
class TakesArrays extends Producer<number> {
  static *mapFn(xs: Iterable<number>) {
    yield* xs
  }
  static reduceFn(values: number[]) {
    return values.length
  }
}
class Gathers extends Producer<number> {
  static async *mapFn(xs: Iterable<number>) {
    yield* xs
  }
  static reduceFn(values: readonly number[]) {
    return values.length
  }
}
class Untyped extends Producer<any> {
  static mapFn(xs: any): any {
    return xs
  }
  static reduceFn(values: any): any {
    return values
  }
}
/** Maps to what may be missing; reduces to the least, if any. */
class Optional extends Producer<number | undefined> {
  static async mapFn(xs: Iterable<number>) {
    return Array.from(xs, (x) => (x > 0 ? x : undefined))
  }
  static async reduceFn(values: Iterable<number | undefined>) {
    return [...values].find((value) => value !== undefined)
  }
}

OffsetSum.map(Numbers)
OfArrays.map(AsyncNumbers)
OfArrays.map(new Set([1]))
OfArrays.map([1])
Careless.map(Words)
Careless.map([1, 'a'])
// @ts-expect-error a source whose items come one by one is no array
OfArrays.map(Numbers)
// @ts-expect-error another source than mapFn asks for
OffsetSum.map(Words)

const sum = Sum.map(Numbers)
expectType<Same<typeof sum, Job<number>>>()
const longest = Longest.map(Words)
expectType<Same<typeof longest, Job<string>>>()
const awaited: number = await sum
const partials: AsyncIterable<{ partition: { index: number } }> = sum.partials()

Sum.map(AsyncNumbers)
Sum.map(Points)
Sum.map([1, 2, 3])
Sum.map(new Set([1]))
Sum.map(new DataSourceFactory(Numbers, { offset: 1, limit: 2, params: { any: 'thing' } }))
Sum.map(new DataSourceFactory([1, 2, 3]))
Sum.map([1], { slots: 2, timeoutMs: 5 })
OfBlocks.map(Points)
OfBlocks.map(new Float64Array(3))
new Sum().map(Words, { retries: 1 })

// @ts-expect-error items are strings
Sum.map(Words)
// @ts-expect-error items are strings
Sum.map(['a'])
// @ts-expect-error items are strings
Sum.map(new DataSourceFactory(Words))
// @ts-expect-error items are numbers
Longest.map(Numbers)
// @ts-expect-error mapFn takes blocks, and this source has single items
OfBlocks.map(Numbers)
// @ts-expect-error mapFn takes blocks, and an array is none
OfBlocks.map([1, 2])
new DataSourceFactory(Words, { params: { language: 'en' } })
// @ts-expect-error the source declares other params
new DataSourceFactory(Words, { params: { lang: 'en' } })
// @ts-expect-error mapFn gives no iterable
MapsToNumber.map([1])
// @ts-expect-error mapFn gives strings, reduceFn takes numbers
MapsToText.map([1])
// @ts-expect-error reduceFn does not take what it returns
Counts.map(['a'])
// @ts-expect-error a generator is no array
TakesArrays.map([1])
Gathers.map([1])
Untyped.map([1])
Optional.map([1])
// @ts-expect-error no such option
Sum.map([1], { timeout: 5 })
// @ts-expect-error an option of the producer, not of the job
new Sum().map([1], { slots: 5 })
// @ts-expect-error a producer is abstract
new Producer()

export { awaited, partials }

// The integral of exp over [1, 10] by nine million points: the three functions that every contestant calls.
const from = 1
const to = 10
const dx = 1e-6

export const length = Math.round((to - from) / dx)
export const partitionCount = 4

/** The source: points `[offset, offset + limit)`. */
export function* points(offset, limit) {
  for (let i = offset; i < offset + limit; i++) yield from + i * dx
}

export function* mapFn(xs) {
  for (const x of xs) yield Math.exp(x) * dx
}

export function reduceFn(values) {
  let sum = 0
  for (const value of values) sum += value
  return sum
}

/** Partitions of equal size, for the programs that plan their own. */
export function partitions(count = partitionCount) {
  const limit = length / count
  return Array.from({ length: count }, (_, index) => ({ offset: index * limit, limit }))
}

/** The bare loop: what there is to compute, with nothing around it. */
export function loop(offset, limit) {
  let sum = 0
  for (let i = offset; i < offset + limit; i++) sum += Math.exp(from + i * dx) * dx
  return sum
}

/** A block of the source: fills a typed array with the points from this offset on. */
export function fillBlock(xs, offset) {
  for (let i = 0; i < xs.length; i++) xs[i] = from + (offset + i) * dx
  return xs
}

/** Maps value by value, as one would an array. */
export function mapEach(xs) {
  return xs.map((x) => Math.exp(x) * dx)
}

/** Maps a block to one value: nothing is stored, and nothing is iterated twice. */
export function mapBlock(xs) {
  let sum = 0
  for (let i = 0; i < xs.length; i++) sum += Math.exp(xs[i]) * dx
  return [sum]
}

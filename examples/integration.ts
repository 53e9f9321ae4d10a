// The integral of exp over [1, 10], by nine million points that no slot is sent: each computes its own.
//   npx pymar run examples/integration.ts
import { DataSource, isMain, Producer } from '@pymar/core'

export class IntegrationSource extends DataSource<number> {
  static readonly interval = [1, 10] as const
  static readonly dx = 1e-6

  static override fullLength() {
    const [from, to] = IntegrationSource.interval
    return Math.round((to - from) / IntegrationSource.dx)
  }

  *[Symbol.iterator]() {
    const {
      dx,
      interval: [from],
    } = IntegrationSource
    for (let i = this.offset; i < this.offset + this.limit; i++) yield from + i * dx
  }
}

export class IntegrationProducer extends Producer<number> {
  static override WORKERS_NUMBER = 8

  static *mapFn(points: Iterable<number>) {
    for (const x of points) yield Math.exp(x) * IntegrationSource.dx
  }

  static reduceFn(values: Iterable<number>) {
    let sum = 0
    for (const value of values) sum += value
    return sum
  }
}

if (isMain(import.meta)) {
  const started = performance.now()
  const value = await IntegrationProducer.map(IntegrationSource)
  console.log(value.toFixed(4))
  console.error(`${((performance.now() - started) / 1000).toFixed(2)} s`)
}

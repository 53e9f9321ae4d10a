import { DataSource, Producer } from '@pymar/core'

export interface ChaosParams {
  readonly items: number
  readonly ms?: number
  readonly slow?: Readonly<Record<number, number>>
  readonly deed?: 'exit' | 'abort' | 'kill' | 'stop' | 'throw' | 'array' | 'map' | 'buffer' | 'loop' | 'never' | 'killWorker'
  readonly at?: number
  readonly times?: number
  readonly mark?: string
  readonly held?: number
  readonly gate?: string
}

export class Script extends DataSource<number, ChaosParams> {
  static fullLength(params: ChaosParams): number
  [Symbol.iterator](): Iterator<number>
}

export class Chaos extends Producer<number> {
  static mapFn(source: Iterable<number>, context: object): Promise<number[]>
  static reduceFn(values: Iterable<number>): number
}

export class SlowReduce extends Producer<number> {
  static mapFn(xs: Iterable<number>): number[]
  static reduceFn(values: Iterable<number>): number
}

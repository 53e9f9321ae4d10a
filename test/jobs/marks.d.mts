import { Producer } from '@pymar/core'

export class Marks extends Producer<number[]> {
  static mapFn(items: Iterable<{ readonly file: string; readonly ms: number; readonly until?: string }>): Iterable<number[]>
  static reduceFn(values: Iterable<number[]>): number[]
}

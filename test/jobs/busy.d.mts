import { DataSource, Producer } from '@pymar/core'

export class Busy extends Producer<string> {
  static mapFn(xs: Iterable<number>): Iterable<string>
  static reduceFn(values: Iterable<string>): string
}
export class Items extends DataSource<number> {}
export class Pids extends Producer<number[]> {
  static mapFn(xs: Iterable<unknown>): Iterable<number[]>
  static reduceFn(lists: Iterable<number[]>): number[]
}

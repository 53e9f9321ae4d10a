import { Producer } from '@pymar/core'

export class Long extends Producer<string> {
  static mapFn(times: Iterable<number>, context: { attempt: number }): Promise<string[]>
  static reduceFn(values: Iterable<string>): string
}

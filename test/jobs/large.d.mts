import { DataSource, Producer } from '@pymar/core'

export class Picked extends DataSource<Uint8Array, { readonly bytes: Uint8Array }> {}
export class Together extends Producer<Uint8Array> {
  static mapFn(parts: Iterable<Uint8Array>): Iterable<Uint8Array>
  static reduceFn(parts: Iterable<Uint8Array>): Uint8Array
}

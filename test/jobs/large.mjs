// Params, items and partials of many bytes.
import { DataSource, Producer } from '@pymar/core'

/** Numbers of params, each as a string. */
export class Picked extends DataSource {
  static fullLength({ bytes }) {
    return bytes.length
  }
  *[Symbol.iterator]() {
    yield this.params.bytes.subarray(this.offset, this.offset + this.limit)
  }
}

/** Everything that it is given, as it is. */
export class Together extends Producer {
  static WORKERS_NUMBER = 3
  static mapFn(parts) {
    return parts
  }
  static reduceFn(parts) {
    return Uint8Array.from(Buffer.concat([...parts]))
  }
}

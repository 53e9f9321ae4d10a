import { DataSource } from '@pymar/core'

/** A namesake of the job file's own. */
export class Items extends DataSource {
  static fullLength() {
    return 2
  }
  *[Symbol.iterator]() {
    for (let i = this.offset; i < this.offset + this.limit; i++) yield 1000
  }
}
const factor = 1000
/** Written as one of the job file's own, which has another factor. */
export class Scaled extends DataSource {
  static fullLength() {
    return 2
  }
  *[Symbol.iterator]() {
    for (let i = this.offset; i < this.offset + this.limit; i++) yield factor
  }
}

export class Reexported extends Items {}

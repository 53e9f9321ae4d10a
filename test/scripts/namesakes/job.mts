import { DataSource, isMain, Producer } from '@pymar/core'
import * as sources from './sources.mjs'

export { Reexported } from './sources.mjs'

export class Items extends DataSource<number> {
  static override fullLength() {
    return 2
  }
  *[Symbol.iterator]() {
    for (let i = this.offset; i < this.offset + this.limit; i++) yield 1
  }
}

const factor = 1
export class Scaled extends DataSource<number> {
  static override fullLength() {
    return 2
  }
  *[Symbol.iterator]() {
    for (let i = this.offset; i < this.offset + this.limit; i++) yield factor
  }
}

export class Sum extends Producer {
  static mapFn(xs: Iterable<number>) {
    return xs
  }
  static reduceFn(values: Iterable<number>) {
    return [...values].reduce((a, b) => a + b, 0)
  }
}

function inner() {
  class Sum extends Producer {
    static mapFn(xs: Iterable<number>) {
      return xs
    }
    static reduceFn(values: Iterable<number>) {
      return [...values].reduce((a, b) => a + b, 1_000_000)
    }
  }
  return Sum
}

class Other extends Sum {
  static override name = 'Sum'
  static override reduceFn(): any {
    return 'other'
  }
}

const JOBS = {
  same: () => Sum.map(Items),
  reexported: () => Sum.map(sources.Reexported),
  'source of another file': () => Sum.map(sources.Items),
  'the same text in another file': () => Sum.map(sources.Scaled),
  'inner class': () => inner().map(Items),
  'static override name': () => Other.map(Items),
}

if (isMain(import.meta)) {
  for (const [name, start] of Object.entries(JOBS)) {
    const outcome = await start().catch(({ code, message }: { code: string; message: string }) => `${code} ${message}`)
    console.log(`${name}: ${outcome}`)
  }
}

import { isMain, Producer } from '@pymar/core'

const { pathToFileURL } = require('node:url')

export class Sum extends Producer<number> {
  static mapFn(xs: Iterable<number>) {
    return xs
  }
  static reduceFn(values: Iterable<number>) {
    return [...values].reduce((a, b) => a + b, 0)
  }
}

async function main() {
  console.log(process.argv.slice(2).join(), await Sum.map([1, 2, 3]))
}

if (isMain({ url: pathToFileURL(__filename).href })) void main()

// A slot that imports this for the first time is killed, as by a system that is out of memory.
import { existsSync, writeFileSync } from 'node:fs'
import { Producer } from '@pymar/core'

const mark = process.env.PYMAR_TEST_MARK
if (mark && !existsSync(mark)) {
  writeFileSync(mark, '')
  process.kill(process.pid, 'SIGKILL')
}

export class Sum extends Producer {
  static mapFn(xs) {
    return xs
  }
  static reduceFn(values) {
    let sum = 0
    for (const value of values) sum += value
    return sum
  }
}

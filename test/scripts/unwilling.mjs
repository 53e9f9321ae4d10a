// Two job files take turns on one slot, and one of them does not let its slot end.
import { execFileSync } from 'node:child_process'
import { isMain } from '@pymar/core'
import { Sum } from './guarded.mjs'
import { Unwilling } from './unwilling/job.mjs'

if (isMain(import.meta)) {
  for (let i = 0; i < 6; i++) {
    await Unwilling.map([1], { slots: 1 })
    await Sum.map([1], { slots: 1 })
  }
  const end = performance.now() + 3000
  while (slots().length > 1 && performance.now() < end) await new Promise((later) => setTimeout(later, 50))
  console.log(slots().length <= 1 || slots())
}

function slots() {
  const list = execFileSync('ps', ['-A', '-o', 'ppid=,args='], { encoding: 'utf8' }).split('\n')
  return list.filter((line) => line.trim().startsWith(`${process.pid} `) && line.includes('child.js'))
}

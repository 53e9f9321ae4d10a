// Uses up all file descriptors, so that no slot can be started, and gives them back.
import { closeSync, openSync } from 'node:fs'
import { isMain, Producer } from '@pymar/core'

export class Sum extends Producer {
  static mapFn(xs) {
    return xs
  }
  static reduceFn(values) {
    return [...values].reduce((a, b) => a + b, 0)
  }
}

async function sum() {
  const producer = new Sum({ slots: 2 })
  const answer = await producer.map([1, 2, 3]).catch(({ code, message }) => `${code} ${message}`)
  await producer.close()
  return answer
}

if (isMain(import.meta)) {
  console.log(await sum())
  const open = []
  try {
    for (;;) open.push(openSync('/dev/null'))
  } catch {
    console.log(await sum())
  }
  for (const descriptor of open) closeSync(descriptor)
  console.log(await sum())
}

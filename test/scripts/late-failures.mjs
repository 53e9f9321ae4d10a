import { fileURLToPath } from 'node:url'
import { isMain, Producer } from '@pymar/core'

export class Sum extends Producer {
  static mapFn(xs) {
    return xs
  }
  static reduceFn(values) {
    return [...values].reduce((a, b) => a + b, 0)
  }
}

if (isMain(import.meta)) {
  const outcome = (folder) => {
    const module = fileURLToPath(new URL(`late-failures/${folder}.mjs`, import.meta.url))
    return Sum.map([1, 2, 3], { slots: 1, module }).catch((error) => error)
  }
  const late = await outcome('rejects')
  console.log(late.code, late.message.includes('late-failures/rejects.mjs'), String(late.cause))
  console.log(await outcome('getter'))
  console.log((await outcome('thread')).code)
}

// Slots load what the option names: a file that cannot be loaded, that ends its process, that is not there.
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
  for (const module of ['syntax-error.mjs', 'exits.mjs', 'none.mjs', 'throws.mjs', 'module-option.mjs']) {
    console.log(await Sum.map([1, 2, 3], { module }).catch(({ code, message }) => `${code} ${message.replaceAll(process.cwd(), '.')}`))
  }
}

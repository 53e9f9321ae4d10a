import { isMain } from '@pymar/core'

console.log(await Promise.resolve(isMain(import.meta)))

// Goes on after a cancelled job.
import { isMain } from '@pymar/core'
import { Endless } from './endless.mjs'

if (isMain(import.meta)) {
  console.log(await Endless.map([1], { slots: 1 }).catch((error) => error.code))
  console.log(await Endless.map([1], { slots: 1 }).catch((error) => error.code))
}

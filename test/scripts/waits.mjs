import { Busy, Items } from '../jobs/busy.mjs'

console.log(await Busy.map(Items, { namespace: process.env.PYMAR_TEST_NAMESPACE }))

// The last thing that a script does is to wait for close(): nothing else keeps it alive then.
import { Busy, Items } from '../jobs/busy.mjs'

const producer = new Busy({ namespace: process.env.PYMAR_TEST_NAMESPACE })
console.log((await producer.map(Items)).length)
await producer.close()
console.log('closed')

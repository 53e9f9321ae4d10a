// Classes that V8 has seen so long ago that it has thrown their code away: --expose-gc --stress-flush-code
import { withV8 } from '../../packages/core/dist/job/ask-v8.js'
import { Busy, Items } from '../jobs/busy.mjs'

globalThis.gc()
const urls = await withV8((v8) => [Busy, Items].map((one) => v8.urlOf(one)))
console.log(urls.filter((url) => url?.endsWith('/jobs/busy.mjs')).length)

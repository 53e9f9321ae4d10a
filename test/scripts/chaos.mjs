// A job of Chaos with the params and options of its arguments, and what came of it. It says when partials are there.
import { DataSourceFactory } from '@pymar/core'
import { Chaos, Script } from '../jobs/chaos.mjs'

const [params, options = '{}'] = process.argv.slice(2)
const job = Chaos.map(new DataSourceFactory(Script, { params: JSON.parse(params) }), {
  namespace: process.env.PYMAR_TEST_NAMESPACE,
  ...JSON.parse(options),
  onProgress: ({ done }) => console.error(`done ${done}`),
})
try {
  console.log(await job)
} catch (error) {
  console.log(`${error.code}: ${error.message}`)
  process.exitCode = 1
}

// A job whose first partition is done, and whose others never are.
import { Endless } from '../jobs/faults.ts'

await Endless.map([-1, 1, 1], {
  namespace: process.env.PYMAR_TEST_NAMESPACE,
  onProgress: ({ done }) => done > 0 && console.error('running'),
})

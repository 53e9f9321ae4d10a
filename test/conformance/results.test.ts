import { results } from './suite-results.ts'
import { SUBJECTS } from './transports.ts'

for (const subject of SUBJECTS) results(subject)

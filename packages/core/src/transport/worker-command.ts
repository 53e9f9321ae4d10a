import { relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What a user types, where the job file is at hand, to start a worker for a producer's tasks. */
export function workerCommand(url: string, producer: string, queue: string, namespace = 'default'): string {
  const path = relative(process.cwd(), fileURLToPath(url))
  const file = path.startsWith('..') ? path : `.${sep}${path}`
  const apart = namespace === 'default' ? '' : ` --namespace ${namespace}`
  const masked = queue.includes(':***@') ? ', where *** is the password' : ''
  return `npx pymar-worker ${quote(file)} -p ${quote(producer)} -q ${quote(queue)}${apart}${masked}`
}

/** As a POSIX shell wants it. */
function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}

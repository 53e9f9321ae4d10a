import { setTimeout as pause } from 'node:timers/promises'
import { listProcesses, type Process } from './processes.ts'

/** What is about to end by itself, ends within this. */
const END_LIMIT_MS = 5000
const POLL_MS = 100

/**
 * Waits for the processes with an entry in their environment to end, and kills those that do not. On Linux only.
 *
 * @param entry `NAME=value`, as the processes inherited it.
 * @returns Those that had to be killed.
 */
export async function endLeftovers(entry: string): Promise<Process[]> {
  const find = () => listProcesses().filter(({ environment }) => environment.includes(entry))
  for (const deadline = Date.now() + END_LIMIT_MS; Date.now() < deadline; await pause(POLL_MS)) {
    if (find().length === 0) return []
  }
  const leftovers = find()
  for (const { pid } of leftovers) kill(pid)
  return leftovers
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** A process of this machine, as far as this user may see it. */
export interface Process {
  readonly pid: number
  readonly command: string
  /** `NAME=value`, as it was started with; a server that renames itself may have overwritten it. */
  readonly environment: readonly string[]
  readonly cwd: string
}

/** The processes that live: zombies are gone but for their parent's asking. None but on Linux, which alone shows them. */
export function listProcesses(): Process[] {
  if (process.platform !== 'linux') return []
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger)
  return pids.filter((pid) => !isZombie(pid)).map(look)
}

function look(pid: number): Process {
  return {
    pid,
    command: read(pid, 'cmdline').replaceAll('\0', ' ').trim(),
    environment: read(pid, 'environ').split('\0'),
    cwd: orEmpty(() => readlinkSync(`/proc/${pid}/cwd`)),
  }
}

function isZombie(pid: number): boolean {
  // The name comes before the state, in brackets, and may itself hold any.
  return /\) [ZX] [^)]*$/.test(read(pid, 'stat'))
}

function read(pid: number, file: string): string {
  return orEmpty(() => readFileSync(`/proc/${pid}/${file}`, 'utf8'))
}

/** Empty if the process is gone meanwhile, or belongs to somebody else. */
function orEmpty(look: () => string): string {
  try {
    return look()
  } catch {
    return ''
  }
}

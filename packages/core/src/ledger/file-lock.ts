import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'

/** Paths that this process has locked. */
const mine = new Set<string>()

/**
 * Keeps other processes from a file, by another one beside it that says who has it. One that was left by a process of this machine that
 * is gone is taken over.
 *
 * @returns What lets go of it.
 * @throws {Error} If somebody else has it.
 */
export function lockFile(path: string): () => void {
  const lock = `${path}.lock`
  if (mine.has(lock)) throw new Error('this process has it open already')
  const own = `${lock}.${process.pid}`
  writeFileSync(own, `${process.pid} ${hostname()}\n`)
  try {
    for (;;) {
      try {
        // Which fails where there is one, unlike a rename.
        linkSync(own, lock)
        break
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
        leaveToOwner(lock)
      }
    }
  } finally {
    rmSync(own, { force: true })
  }
  mine.add(lock)
  return () => {
    if (mine.delete(lock)) rmSync(lock, { force: true })
  }
}

/** @throws {Error} If the process that made it lives, or may live. */
function leaveToOwner(lock: string): void {
  const [pid, host] = readOwner(lock)
  if (pid === undefined) return
  const isGone = host === hostname() && Number(pid) !== process.pid && !isAlive(Number(pid))
  const isOwn = host === hostname() && Number(pid) === process.pid
  if (!isGone && !isOwn) throw new Error(`process ${pid} on ${host} has it open; if there is no such process, delete "${lock}"`)
  rmSync(lock, { force: true })
}

function readOwner(lock: string): readonly (string | undefined)[] {
  try {
    return readFileSync(lock, 'utf8').trim().split(' ')
  } catch {
    // It has just been let go of.
    return []
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

import { linkSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { basename, dirname, join } from 'node:path'

/** Files that this process has locked. */
const mine = new Set<string>()
/** So often somebody else may be faster, before there is something wrong with the lock. */
const TRIES = 10

/**
 * Keeps other processes from a file, by another one beside it that says who has it. One that was left by a process of this machine that
 * is gone is taken over.
 *
 * @returns What lets go of it.
 * @throws {Error} If somebody else has it, or that cannot be known.
 */
export function lockFile(path: string): () => void {
  const lock = `${realPath(path)}.lock`
  if (mine.has(lock)) throw new Error('this process has it open already')
  const own = `${lock}.${process.pid}`
  const owner = `${process.pid} ${hostname()} ${startOf(process.pid)}\n`
  try {
    writeFileSync(own, owner)
    // Which fails where there is one, unlike a rename.
    for (let tries = 1; !isLinked(own, lock); tries++) {
      if (tries === TRIES) throw new Error(`"${lock}" says that somebody has it open, and does not say who`)
      removeStale(lock, own)
    }
  } finally {
    rmSync(own, { force: true })
  }
  mine.add(lock)
  return () => {
    if (mine.delete(lock)) rmSync(lock, { force: true })
  }
}

/** One name for one file, however it is spelt, and whatever links lead there. */
function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch (error) {
    if (!isCode(error, 'ENOENT')) throw error
    return join(realpathSync(dirname(path)), basename(path))
  }
}

function isLinked(own: string, lock: string): boolean {
  try {
    linkSync(own, lock)
    return true
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false
    throw error
  }
}

/** @throws {Error} If the process that made it lives, or may live. */
function removeStale(lock: string, own: string): void {
  const found = read(lock)
  if (found === undefined) return
  const [pid, host, start] = found.trim().split(' ')
  if (pid === undefined || host === undefined) throw new Error(`"${lock}" does not say who has it open; delete it if nobody has`)
  const isHere = host === hostname()
  if (isHere && Number(pid) === process.pid && start === startOf(process.pid)) throw new Error('this process has it open already')
  if (!isHere || isAlive(Number(pid), start))
    throw new Error(`process ${pid} on ${host} has it open; if there is no such process, delete "${lock}"`)
  // It may be another one's by now, who has found the same.
  const taken = `${own}.stale`
  try {
    renameSync(lock, taken)
  } catch (error) {
    if (isCode(error, 'ENOENT')) return
    throw error
  }
  if (read(taken) !== found) isLinked(taken, lock)
  rmSync(taken, { force: true })
}

/** Undefined where it has just been let go of. */
function read(lock: string): string | undefined {
  try {
    return readFileSync(lock, 'utf8')
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    throw error
  }
}

/** @param start When it was started, as its lock says: another process may have its number by now. */
function isAlive(pid: number, start: string | undefined): boolean {
  const startedAt = startOf(pid)
  if (start !== undefined && startedAt !== '-' && startedAt !== start) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return isCode(error, 'EPERM')
  }
}

/** When a process was started, as the kernel counts it; `-` where it does not say. */
function startOf(pid: number): string {
  try {
    // Behind the name, which is in parentheses and may hold anything, the twentieth word.
    return readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/.*\) /s, '').split(' ')[19] ?? '-'
  } catch {
    return '-'
  }
}

function isCode(error: unknown, code: string): boolean {
  return (error as NodeJS.ErrnoException).code === code
}

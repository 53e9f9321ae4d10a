import { type FSWatcher, watch } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { codeOf, filesOf } from '../job/code.ts'

/** Editors write a file in several steps: it is looked at when nothing has happened in its folder for so long, in milliseconds. */
const QUIET_MS = 100
/** How often it is looked where the system does not say, in milliseconds. */
const POLL_MS = 1000

/**
 * Waits until the code of a job file, with what it imports by relative names, is another than this.
 *
 * @param signal Ends the waiting: then it resolves too.
 */
export function codeChange(url: string, code: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    // Folders, since editors put another file in the place of the one that was there.
    const folders = new Set(filesOf(url).map((file) => dirname(fileURLToPath(file.url))))
    const watchers: FSWatcher[] = []
    let [timer, poll]: (NodeJS.Timeout | undefined)[] = []
    const end = () => {
      signal.removeEventListener('abort', end)
      clearTimeout(timer)
      clearInterval(poll)
      for (const watcher of watchers) watcher.close()
      resolve()
    }
    const look = () => {
      clearTimeout(timer)
      timer = setTimeout(() => {
        if (codeOf(url) !== code) end()
      }, QUIET_MS)
    }
    signal.addEventListener('abort', end, { once: true })
    for (const folder of folders) {
      try {
        // One that cannot be watched any more is gone; its files are then too.
        watchers.push(watch(folder, look).on('error', look))
      } catch {
        // It is not there yet, or the system watches no more.
        poll ??= setInterval(look, POLL_MS)
      }
    }
    // It may have been changed before it was watched.
    look()
  })
}

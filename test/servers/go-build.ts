import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runTool } from './run-tool.ts'

const CACHE = fileURLToPath(new URL('../../node_modules/.cache/', import.meta.url))
/** What it needs is fetched first. */
const LIMIT_MS = 10 * 60_000

/**
 * Builds a program from a Go module, unless that was done before.
 *
 * @returns Where the program is, or why there is none, with a space in it.
 */
export async function buildGo(folder: string, signal: AbortSignal): Promise<{ readonly binary: string } | { readonly why: string }> {
  const hash = createHash('sha256')
  for (const file of readdirSync(folder).sort()) hash.update(file).update(readFileSync(join(folder, file)))
  const binary = join(CACHE, `go-${hash.digest('hex').slice(0, 16)}`)
  if (existsSync(binary)) return { binary }
  const version = await runTool('go', ['version'], { signal })
  if (!version.ok) return { why: 'no Go on this machine to build one' }
  mkdirSync(CACHE, { recursive: true })
  const built = await runTool('go', ['build', '-o', binary, '.'], {
    cwd: folder,
    timeout: LIMIT_MS,
    signal,
    env: { ...process.env, GOFLAGS: '-mod=readonly' },
  })
  return built.ok ? { binary } : { why: `go build failed in ${folder}: ${built.tail.slice(-300)}` }
}

import { execFile } from 'node:child_process'

/** How a tool is run. */
export interface ToolOptions {
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  readonly uid?: number
  readonly gid?: number
  /** In milliseconds. Default: no limit. */
  readonly timeout?: number
  readonly signal?: AbortSignal
}

/** What a tool that ran to its end left. */
export interface ToolResult {
  readonly ok: boolean
  readonly stdout: string
  /** The last lines of all that it wrote, or why it could not run. */
  readonly tail: string
}

const MAX_BYTES = 64 * 1024 * 1024
const TAIL_CHARACTERS = 2000

/** Runs a program that ends by itself, with nothing to read; a failure is a result, not an exception. */
export function runTool(command: string, args: readonly string[], options: ToolOptions = {}): Promise<ToolResult> {
  return new Promise((resolve) => {
    const child = execFile(command, args, { ...options, maxBuffer: MAX_BYTES, encoding: 'utf8' }, (error, stdout, stderr) => {
      const written = `${stdout}${stderr}`.trim().slice(-TAIL_CHARACTERS)
      resolve({ ok: error === null, stdout, tail: written || (error?.message ?? '') })
    })
    child.stdin?.end()
  })
}

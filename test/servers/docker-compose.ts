import { fileURLToPath } from 'node:url'
import { firstExecutable, onPath } from './find-binary.ts'
import { runTool, type ToolResult } from './run-tool.ts'

const COMPOSE_FILE = fileURLToPath(new URL('../../compose.yaml', import.meta.url))
/** An engine that runs answers in less than one. */
const ENGINE_LIMIT_MS = 5000
/** Images are fetched the first time. */
const UP_LIMIT_MS = 600_000

/** A service of compose.yaml that is up. */
export interface ComposeService {
  /** Takes away what was brought up, and nothing that was there before. */
  stop(): Promise<void>
}

/**
 * Brings a service of compose.yaml up, where a container engine runs.
 *
 * @returns The service once its health check passes, or why there is none.
 */
export async function startComposeService(service: string, signal: AbortSignal): Promise<ComposeService | string> {
  const docker = firstExecutable(onPath('docker'))
  if (!docker || !(await runTool(docker, ['info'], { timeout: ENGINE_LIMIT_MS, signal })).ok) return 'no docker engine'
  const compose = (...args: string[]) => runTool(docker, ['compose', '-f', COMPOSE_FILE, ...args])
  if (!(await compose('version')).ok) return 'docker has no compose'

  const running = lists(await compose('ps', '--quiet', '--status', 'running', service))
  const existed = lists(await compose('ps', '--quiet', '--all', service))
  const stop = async () => {
    if (running) return
    await (existed ? compose('stop', service) : compose('rm', '--stop', '--force', '--volumes', service))
  }
  const up = await runTool(docker, ['compose', '-f', COMPOSE_FILE, 'up', '--detach', '--wait', service], { timeout: UP_LIMIT_MS, signal })
  if (up.ok) return { stop }
  await stop()
  signal.throwIfAborted()
  return `docker compose could not bring up ${service} (${up.tail.split('\n').at(-1)})`
}

function lists(result: ToolResult): boolean {
  return result.stdout.trim() !== ''
}

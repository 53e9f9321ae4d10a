// PgBouncer in transaction mode, in front of a server of a test's own.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { firstExecutable, onPath } from '../servers/find-binary.ts'
import { freePort } from '../servers/free-port.ts'
import { loginFailure } from '../servers/log-in.ts'
import { postgres, serverOptions } from '../servers/postgres.ts'
import type { StartedServer } from '../servers/server.ts'
import { ServerProcess } from '../servers/server-process.ts'
import { makeTemporaryFolder } from '../servers/temporary-folder.ts'

const binary = firstExecutable([...onPath('pgbouncer'), '/usr/sbin/pgbouncer'])

/** Why there is none, or false. */
export const noPooler: string | false = !binary && 'no pgbouncer on this machine'

/** @param connections How many it makes to the server. */
export async function startPooler(to: string, connections: number): Promise<StartedServer> {
  const folder = makeTemporaryFolder('pymar-pooler')
  const [port, file] = [await freePort(), join(folder.path, 'pgbouncer.ini')]
  writeFileSync(
    file,
    `[databases]
postgres = host=127.0.0.1 port=${new URL(to).port} dbname=postgres user=postgres pool_size=${connections}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
query_wait_timeout = 1
`,
  )
  const pooler = new ServerProcess(binary as string, [file], await serverOptions(folder.path))
  const stop = () => pooler.stop().finally(folder.remove)
  try {
    const url = `postgres://postgres@127.0.0.1:${port}/postgres`
    await pooler.untilReady(() => loginFailure(postgres, url), new AbortController().signal)
    return { url, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

// Servers of a test's own, for what cannot be tried on one that others use.
import { chownSync, cpSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { dataOf, postgres, runCluster } from '../servers/postgres.ts'
import { runTool } from '../servers/run-tool.ts'
import type { StartedServer } from '../servers/server.ts'
import { makeTemporaryFolder } from '../servers/temporary-folder.ts'
import { sql } from './database.ts'

const binary = postgres.findBinary()
const { signal } = new AbortController()

/** Why there cannot be any, or false. */
export const noPostgres: string | false = !binary && 'no program of PostgreSQL on this machine'

/** A server with its data. */
export class OwnPostgres {
  readonly #folder = makeTemporaryFolder('pymar-postgres')
  #server: StartedServer | undefined

  get url(): string {
    if (!this.#server) throw new Error('It does not run')
    return this.#server.url
  }

  /** Starts a new one. */
  static async create(): Promise<OwnPostgres> {
    const own = new OwnPostgres()
    own.#server = await postgres.start(binary as string, own.#folder.path, signal)
    return own
  }

  /** Stops, copies its data, and runs again, with a standby that follows it and lets nobody's reading keep it from that. */
  async standby(): Promise<OwnPostgres> {
    await this.#server?.stop()
    const standby = new OwnPostgres()
    const data = dataOf(standby.#folder.path)
    cpSync(dataOf(this.#folder.path), data, { recursive: true })
    writeFileSync(join(data, 'standby.signal'), '')
    standby.#giveAll(dataOf(this.#folder.path))
    await this.#run()
    await standby.#run(`primary_conninfo=host=127.0.0.1 port=${new URL(this.url).port} user=postgres`, 'max_standby_streaming_delay=0')
    return standby
  }

  /** Takes connections over TLS too. @returns Its certificate, which is signed by itself. */
  async allowTls(): Promise<string> {
    const [key, certificate] = ['server.key', 'server.crt'].map((name) => join(dataOf(this.#folder.path), name)) as [string, string]
    const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
    const made = await runTool('openssl', [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      key,
      '-out',
      certificate,
      ...subject,
    ])
    if (!made.ok) throw new Error(`Cannot make a certificate: ${made.tail}`)
    this.#giveAll(join(dataOf(this.#folder.path), 'PG_VERSION'))
    await sql('alter system set ssl = on', this.url)
    await sql('select pg_reload_conf()', this.url)
    return readFileSync(certificate, 'utf8')
  }

  /** Stops, and leaves nothing. */
  async remove(): Promise<void> {
    await this.#server?.stop()
    this.#folder.remove()
  }

  async #run(...settings: string[]): Promise<void> {
    this.#server = await runCluster(binary as string, this.#folder.path, settings, signal)
  }

  /** Gives the server's user what was made here by whoever runs the tests. */
  #giveAll(like: string) {
    const data = dataOf(this.#folder.path)
    const { uid, gid } = statSync(like)
    for (const name of ['.', ...readdirSync(data, { recursive: true })]) chownSync(join(data, String(name)), uid, gid)
  }
}

import { existsSync } from 'node:fs'
import { firstExecutable, onPath } from './find-binary.ts'
import { runTool } from './run-tool.ts'

/** Another apt may be at work: another harness, or the machine's own updates. */
const LOCK_LIMIT_SECONDS = 300

/** Installs Debian's packages, one after the other: apt locks its database. */
export class DebianInstaller {
  readonly #say: (line: string) => void
  #last: Promise<unknown> = Promise.resolve()

  constructor(say: (line: string) => void) {
    this.#say = say
  }

  /**
   * Installs a package. It is not interrupted: half-installed packages are worse than a late Ctrl-C.
   *
   * @param why What it is installed for, for the reader who sees it happen.
   * @returns Why it could not be installed; undefined if it was.
   */
  install(name: string, why: string): Promise<string | undefined> {
    const done = this.#last.then(() => this.#install(name, why))
    this.#last = done
    return done
  }

  async #install(name: string, why: string): Promise<string | undefined> {
    const apt = firstExecutable(onPath('apt-get'))
    if (!apt || !existsSync('/etc/debian_version')) return `no Debian here to install ${name} from`
    if (process.getuid?.() !== 0) return `not root, so Debian's ${name} was not installed`
    this.#say(`installing Debian's package ${name}: ${why}`)
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    const updated = await runTool(apt, ['update'], { env })
    // Lists that cannot be refreshed may do: what counts is whether the package arrives.
    const options = ['-y', '--no-install-recommends', '-o', `DPkg::Lock::Timeout=${LOCK_LIMIT_SECONDS}`]
    const installed = await runTool(apt, ['install', ...options, name], { env })
    if (installed.ok) return undefined
    this.#say(`apt-get install ${name} failed:\n${updated.ok ? '' : `${updated.tail}\n`}${installed.tail}`)
    return `Debian's ${name} could not be installed (${installed.tail.split('\n').at(-1)})`
  }
}

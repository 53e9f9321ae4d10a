/*
 * The port between the harness and a server: one implementation per server, with the same members, so that another
 * server is a checklist and the order of the attempts stands in one place, bring-up.ts.
 */

/** The servers that tests may need, by the names that `// needs:` and `--need` use. */
export const SERVER_NAMES = ['amqp', 'postgres', 'mongo'] as const

export type ServerName = (typeof SERVER_NAMES)[number]

/** The environment variable that names a server to use instead of one of the harness, and in which tests find the URL. */
export const URL_VARIABLES: Readonly<Record<ServerName, string>> = {
  amqp: 'PYMAR_TEST_AMQP',
  postgres: 'PYMAR_TEST_POSTGRES',
  mongo: 'PYMAR_TEST_MONGO',
}

/** A server that the harness started. */
export interface StartedServer {
  readonly url: string
  /** Idempotent. Resolves when nothing of it is left. */
  stop(): Promise<void>
}

/** How to find, start and try one kind of server. */
export interface ServerKind {
  readonly name: ServerName
  readonly variable: string
  /** What a server on its default port is tried with, in this order. */
  readonly defaultUrls: readonly string[]
  /** What Debian calls it, where Debian has it. */
  readonly debianPackage?: string
  /** Its service in compose.yaml. */
  readonly composeService: string
  /** The program that `findBinary()` looks for. */
  readonly program: string
  /** Logs in once and closes the connection; rejects if that does not work within a few seconds. */
  logsIn(url: string): Promise<void>
  /** Where the program is on this machine, if it is. */
  findBinary(): string | undefined
  /**
   * Starts a server of its own, on free ports of 127.0.0.1.
   *
   * @param folder An empty folder for all that the server writes. The caller removes it after `stop()`.
   * @returns The server, once it logs in.
   */
  start(binary: string, folder: string, signal: AbortSignal): Promise<StartedServer>
  /** Downloads the program, or finds it where it was downloaded to. @returns Where it is. */
  download?(): Promise<string>
  /** A Go module that another server is built from, for where there is no such program: its folder, and how that one is started. */
  readonly substitute?: { readonly module: string } & Pick<ServerKind, 'start'>
}

/** A server that logs in, and how it came about. */
export interface ServerUp extends StartedServer {
  readonly name: ServerName
  readonly how: string
}

/** A server that could not be had: what was tried, with what was found. */
export interface ServerMissing {
  readonly name: ServerName
  readonly why: readonly string[]
}

export type ServerOutcome = ServerUp | ServerMissing

export function isUp(outcome: ServerOutcome): outcome is ServerUp {
  return 'url' in outcome
}

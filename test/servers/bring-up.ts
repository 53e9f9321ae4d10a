import { DebianInstaller } from './debian-package.ts'
import { startComposeService } from './docker-compose.ts'
import { buildGo } from './go-build.ts'
import { describeFailure, loginFailure } from './log-in.ts'
import { hostOf, maskUrl } from './mask-url.ts'
import { mongo } from './mongo.ts'
import { postgres } from './postgres.ts'
import { rabbitmq } from './rabbitmq.ts'
import { isUp, type ServerKind, type ServerName, type ServerOutcome, type ServerUp } from './server.ts'
import { makeTemporaryFolder } from './temporary-folder.ts'

/** Every server that the harness knows. */
export const SERVERS: Readonly<Record<ServerName, ServerKind>> = { amqp: rabbitmq, postgres, mongo }

/** What an attempt may use. */
export interface BringUpContext {
  readonly env: NodeJS.ProcessEnv
  /** Never use a server that is there already; a test may do to its own what it likes. Default: false. */
  readonly own?: boolean
  readonly signal: AbortSignal
  /** Tells the person who waits. */
  say(line: string): void
}

type Found = Omit<ServerUp, 'name'>

/** Finds or starts a server, or says what it found instead. */
type Attempt = (kind: ServerKind, context: BringUpContext & { readonly installer: DebianInstaller }) => Promise<Found | string>

/** In this order, until one brings the server. A server that an environment variable names comes before, and is final. */
const ATTEMPTS: readonly Attempt[] = [onDefaultPort, fromBinary, fromDebianPackage, fromDownload, fromCompose, fromGo]

/**
 * Brings servers up side by side; whatever fails or is interrupted leaves nothing behind.
 *
 * @returns For each server, in the order given, the server or why there is none.
 * @throws The signal's reason, when it is aborted.
 */
export async function bringUp(kinds: readonly ServerKind[], context: BringUpContext): Promise<ServerOutcome[]> {
  const shared = { ...context, installer: new DebianInstaller(context.say) }
  const results = await Promise.allSettled(kinds.map((kind) => bringUpOne(kind, shared)))
  const outcomes = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  const failed = results.find((result) => result.status === 'rejected')
  if (!failed && !context.signal.aborted) return outcomes
  await stopServers(outcomes)
  throw context.signal.aborted ? context.signal.reason : failed?.reason
}

/** Stops what was started; those that were there already have a `stop()` that does nothing. */
export async function stopServers(outcomes: readonly ServerOutcome[]): Promise<void> {
  await Promise.all(outcomes.filter(isUp).map((server) => server.stop()))
}

async function bringUpOne(kind: ServerKind, context: Parameters<Attempt>[1]): Promise<ServerOutcome> {
  const { name } = kind
  const given = context.env[kind.variable]
  if (given && !context.own) {
    // Whoever names a server wants that one: another in its place would hide the mistake.
    const failure = await loginFailure(kind, given)
    if (failure !== undefined) return { name, why: [`${kind.variable} is ${maskUrl(given)}, which does not log in: ${failure}`] }
    return { name, url: given, how: `given by ${kind.variable}`, stop: nothingToStop }
  }
  const why = new Set<string>()
  for (const attempt of ATTEMPTS) {
    context.signal.throwIfAborted()
    const found = await attempt(kind, context)
    if (typeof found !== 'string') return { name, ...found }
    why.add(found)
  }
  return { name, why: [...why] }
}

async function onDefaultPort(kind: ServerKind, { own }: BringUpContext): Promise<Found | string> {
  if (own) return 'one of its own was asked for'
  const failures = new Set<string>()
  for (const url of kind.defaultUrls) {
    const failure = await loginFailure(kind, url)
    if (failure === undefined) return { url, how: `already at ${hostOf(url)}`, stop: nothingToStop }
    failures.add(failure.includes('ECONNREFUSED') ? `nothing at ${hostOf(url)}` : `no log-in at ${maskUrl(url)}: ${failure}`)
  }
  return [...failures].join(', ')
}

async function fromBinary(kind: ServerKind, { say, signal }: BringUpContext): Promise<Found | string> {
  const binary = kind.findBinary()
  if (!binary) return `no ${kind.program} on this machine`
  const folder = makeTemporaryFolder(`pymar-${kind.name}`)
  try {
    const server = await kind.start(binary, folder.path, signal)
    const stop = async () => {
      await server.stop()
      folder.remove()
    }
    return { url: server.url, how: `from ${binary}`, stop }
  } catch (error) {
    folder.remove()
    signal.throwIfAborted()
    say(error instanceof Error ? error.message : String(error))
    return `${binary} did not start: ${describeFailure(error).slice(0, 300)}`
  }
}

async function fromDebianPackage(kind: ServerKind, context: Parameters<Attempt>[1]): Promise<Found | string> {
  if (!kind.debianPackage) return `Debian has no package of ${kind.program}`
  if (kind.findBinary()) return `Debian's ${kind.debianPackage} would bring nothing new`
  const failure = await context.installer.install(kind.debianPackage, `tests need ${kind.name}, and there is no ${kind.program}`)
  if (failure !== undefined) return failure
  // The package may have started it as a service; that is then the machine's, and stays.
  for (const attempt of [onDefaultPort, fromBinary]) {
    context.signal.throwIfAborted()
    const found = await attempt(kind, context)
    if (typeof found !== 'string') return { ...found, how: `${found.how} (Debian's package ${kind.debianPackage}, installed just now)` }
  }
  return `Debian's ${kind.debianPackage} was installed, but brought no server`
}

async function fromDownload(kind: ServerKind, context: Parameters<Attempt>[1]): Promise<Found | string> {
  if (!kind.download) return `nothing downloads ${kind.program}`
  try {
    const binary = await kind.download()
    return await fromBinary({ ...kind, findBinary: () => binary }, context)
  } catch (error) {
    context.signal.throwIfAborted()
    return `no download of ${kind.program}: ${describeFailure(error).slice(0, 300)}`
  }
}

async function fromGo(kind: ServerKind, context: Parameters<Attempt>[1]): Promise<Found | string> {
  const { substitute } = kind
  if (!substitute) return `nothing takes the place of ${kind.program}`
  const built = await buildGo(substitute.module, context.signal)
  if ('why' in built) return built.why
  return fromBinary({ ...kind, start: substitute.start, findBinary: () => built.binary }, context)
}

async function fromCompose(kind: ServerKind, context: BringUpContext): Promise<Found | string> {
  if (context.own) return 'docker compose has no server of its own: it is on the default port'
  const service = await startComposeService(kind.composeService, context.signal)
  if (typeof service === 'string') return service
  const found = await onDefaultPort(kind, context)
  if (typeof found !== 'string') return { ...found, how: `from docker compose at ${hostOf(found.url)}`, stop: service.stop }
  await service.stop()
  return `docker compose brought ${kind.composeService} up, but: ${found}`
}

async function nothingToStop(): Promise<void> {}

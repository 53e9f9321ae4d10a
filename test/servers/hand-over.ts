import { isUp, SERVER_NAMES, type ServerMissing, type ServerName, type ServerOutcome, URL_VARIABLES } from './server.ts'

/** Where tests find why a server is missing. */
export function missingVariable(name: ServerName): string {
  return `${URL_VARIABLES[name]}_MISSING`
}

/** An environment with the URLs of the servers that are up, and the reasons of those that are missing. */
export function handOver(outcomes: readonly ServerOutcome[], env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const handed = withoutServers(
    env,
    outcomes.map(({ name }) => name),
  )
  for (const outcome of outcomes) {
    if (isUp(outcome)) handed[URL_VARIABLES[outcome.name]] = outcome.url
    else handed[missingVariable(outcome.name)] = outcome.why.join(', ')
  }
  return handed
}

/** An environment that says nothing of these servers. */
export function withoutServers(env: NodeJS.ProcessEnv, names: readonly ServerName[] = SERVER_NAMES): NodeJS.ProcessEnv {
  const hidden = new Set(names.flatMap((name) => [URL_VARIABLES[name], missingVariable(name)]))
  return Object.fromEntries(Object.entries(env).filter(([name]) => !hidden.has(name)))
}

/**
 * One line on all servers, for the end of a test run.
 *
 * @example
 * ```ts
 * summarize([{ name: 'amqp', how: 'already at 127.0.0.1:5672', ... }, { name: 'mongo', why: ['no docker engine'] }])
 * // 'servers: amqp already at 127.0.0.1:5672, postgres not needed, mongo missing (no docker engine): tests that need it were skipped'
 * ```
 */
export function summarize(outcomes: readonly ServerOutcome[]): string {
  const parts = SERVER_NAMES.map((name) => {
    const outcome = outcomes.find((one) => one.name === name)
    if (!outcome) return `${name} not needed`
    return isUp(outcome) ? `${name} ${outcome.how}` : `${describeMissing(outcome)}: tests that need it were skipped`
  })
  return `servers: ${parts.join(', ')}`
}

export function describeMissing({ name, why }: ServerMissing): string {
  return `${name} missing (${why.join(', ')})`
}

/** With `CI=true` a missing server is a failure: nobody is there to read that tests were skipped. */
export function isCi(env: NodeJS.ProcessEnv): boolean {
  return env['CI'] === 'true'
}

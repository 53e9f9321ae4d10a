import { missingVariable } from './hand-over.ts'
import { type ServerName, URL_VARIABLES } from './server.ts'
import { readNeeds } from './test-files.ts'

/**
 * The options of a test that needs servers: it is skipped, with the reason, where one of them is missing. The file's
 * first lines must name them too, for the harness to bring them up.
 *
 * @throws {Error} Under the harness, if they do not: run by itself, the file would skip the test for ever.
 *
 * @example
 * ```ts
 * // needs: amqp
 * test('openLink() connects when the broker answers', needs('amqp'), async () => connect(serverUrl('amqp')))
 * ```
 */
export function needs(...names: readonly ServerName[]): { skip: string | false } {
  const file = process.argv[1]
  const unsaid = process.env['PYMAR_TEST_RUN'] && file ? names.find((name) => !readNeeds(file).includes(name)) : undefined
  if (unsaid) throw new Error(`Cannot need server "${unsaid}" here: the file's first lines do not say "// needs: ${unsaid}"`)
  const reasons = names.map(whyMissing).filter((reason) => reason !== undefined)
  return { skip: reasons.length > 0 && reasons.join('; ') }
}

/** The URL of a server, for a test that `needs()` it. */
export function serverUrl(name: ServerName): string {
  const url = process.env[URL_VARIABLES[name]]
  if (!url) throw new Error(`Cannot use server "${name}": ${whyMissing(name)}`)
  return url
}

function whyMissing(name: ServerName): string | undefined {
  const variable = URL_VARIABLES[name]
  if (process.env[variable]) return undefined
  const why = process.env[missingVariable(name)]
  if (why) return `${name} is missing: ${why}`
  return `${variable} is not set; npm test brings the server up`
}

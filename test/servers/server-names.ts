import { SERVER_NAMES, type ServerName } from './server.ts'

/**
 * Reads a list of servers, as it stands behind `// needs:` and `--need`.
 *
 * @param where What to call its place in an error.
 * @throws {Error} If there is none, or one of them is not a server.
 */
export function parseServerNames(list: string, where: string): ServerName[] {
  const names = list.split(/[\s,]+/).filter((name) => name !== '')
  const known = names.filter((name): name is ServerName => SERVER_NAMES.some((server) => server === name))
  const unknown = names.find((name) => !SERVER_NAMES.some((server) => server === name))
  if (unknown !== undefined) throw new Error(`Cannot need server "${unknown}", named in ${where}: there are ${SERVER_NAMES.join(', ')}`)
  if (known.length === 0) throw new Error(`Cannot read the servers in ${where}: it names none; there are ${SERVER_NAMES.join(', ')}`)
  return [...new Set(known)]
}

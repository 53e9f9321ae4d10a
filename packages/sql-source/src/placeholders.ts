/**
 * What in SQL is no place for a parameter: strings, names in quotes, comments, and names that have a dollar in them. In the order in which
 * they are tried, at each place.
 *
 * @see https://www.postgresql.org/docs/current/sql-syntax-lexical.html
 */
const STRING_WITH_ESCAPES = /(?<![\w$\u0080-\uffff])[eE]'(?:[^'\\]|\\[\s\S]|'')*'?/y
const STRING = /'(?:[^']|'')*'?/y
const NAME = /"(?:[^"]|"")*"?/y
const LINE_COMMENT = /--[^\n\r]*/y
const DOLLAR_STRING = /\$((?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?)\$[\s\S]*?(?:\$\1\$|$)/y
const WORD = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y
const PLACEHOLDER = /\$(\d+)/y

/** SQL, cut where its parameters `$1`, `$2`, ... are. */
export interface Template {
  /** One more than there are places. */
  readonly parts: readonly string[]
  /** Of each place, the number of its parameter, from 1. */
  readonly places: readonly number[]
}

/** Finds the parameters of SQL, where they are parameters: not in strings, quoted names and comments. */
export function readTemplate(sql: string): Template {
  const parts: string[] = []
  const places: number[] = []
  let [from, at] = [0, 0]
  while (at < sql.length) {
    const placeholder = matchAt(PLACEHOLDER, sql, at)
    if (placeholder) {
      parts.push(sql.slice(from, at))
      places.push(Number(placeholder[1]))
      at += placeholder[0].length
      from = at
    } else at = pastOpaque(sql, at)
  }
  return { parts: [...parts, sql.slice(from)], places }
}

/** SQL with its parameters put in. */
export function fillTemplate({ parts, places }: Template, fill: (parameter: number) => string): string {
  return parts.map((part, i) => (i < places.length ? `${part}${fill(places[i] as number)}` : part)).join('')
}

/** The end of what begins here. */
function pastOpaque(sql: string, at: number): number {
  if (sql.startsWith('/*', at)) return pastComment(sql, at)
  for (const opaque of [STRING_WITH_ESCAPES, STRING, NAME, LINE_COMMENT, DOLLAR_STRING, WORD]) {
    const found = matchAt(opaque, sql, at)
    if (found) return at + found[0].length
  }
  return at + 1
}

/** Comments may be nested. */
function pastComment(sql: string, at: number): number {
  let depth = 0
  for (let i = at; i < sql.length; i++) {
    if (sql.startsWith('/*', i)) [depth, i] = [depth + 1, i + 1]
    else if (sql.startsWith('*/', i)) {
      depth--
      i++
      if (depth === 0) return i + 1
    }
  }
  return sql.length
}

function matchAt(pattern: RegExp, sql: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at
  return pattern.exec(sql)
}

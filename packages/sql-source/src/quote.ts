/** A name as SQL takes it, whatever is in it. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** A table's or type's name with that of its schema. */
export function quoteNames(...names: readonly (string | undefined)[]): string {
  return names
    .filter((name) => name !== undefined)
    .map(quoteName)
    .join('.')
}

/** A text as SQL takes it, whatever is in it and whatever `standard_conforming_strings` says. */
export function quoteText(text: string): string {
  const quoted = `'${text.replaceAll("'", "''")}'`
  return text.includes('\\') ? ` E${quoted.replaceAll('\\', '\\\\')}` : quoted
}

/** A value of a type, by its text. */
export interface Literal {
  readonly text: string | null
  readonly type: TypeName
}

export type TypeName = readonly [schema: string, name: string]

export function quoteLiteral({ text, type }: Literal): string {
  return `${text === null ? 'null' : quoteText(text)}::${quoteNames(...type)}`
}

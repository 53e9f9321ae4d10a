/** One line of the results. */
export interface Row {
  readonly what: string
  /** With its unit. */
  readonly value: string
  /** How many times the line that it is compared with. */
  readonly ratio?: number
  /** What the ratio is to be at most. */
  readonly target?: number
}

const HEAD = ['what', 'median', 'ratio', 'target']

/** A Markdown table; its columns are aligned, so that it reads well on a terminal too. */
export function table(rows: readonly Row[]): string {
  const cells = [HEAD, ...rows.map(({ what, value, ratio, target }) => [what, value, ratio?.toFixed(2) ?? '', verdict(ratio, target)])]
  const widths = HEAD.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  const [head = '', ...body] = cells.map((row) => line(row.map((cell, column) => pad(cell, widths[column] ?? 0, column))))
  const rule = line(widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)))
  return [head, rule, ...body].join('\n')
}

function verdict(ratio?: number, target?: number): string {
  if (ratio === undefined || target === undefined) return ''
  return `<= ${target.toFixed(2)}, ${ratio <= target ? 'met' : 'MISSED'}`
}

function pad(cell: string, width: number, column: number): string {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width)
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}

export function ms(value: number): string {
  return `${value.toFixed(value < 100 ? 1 : 0)} ms`
}

export function mib(bytes: number): string {
  return Number.isFinite(bytes) ? `${(bytes / 2 ** 20).toFixed(1)} MiB` : 'not known'
}

export function perSecond(value: number): string {
  return `${Math.round(value).toLocaleString('en')} /s`
}

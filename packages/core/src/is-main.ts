import { realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/**
 * Whether a module is the script that was started: by `node`, `tsx`, `node --test` or `pymar run`. It is not in a slot, which
 * imports the same file to find the classes in it; so what starts a job belongs behind it.
 *
 * @param meta The module's `import.meta`.
 *
 * @example
 * ```ts
 * import { isMain } from '@pymar/core'
 *
 * if (isMain(import.meta)) console.log('started, not imported')
 * ```
 */
export function isMain(meta: { readonly url: string; readonly main?: boolean }): boolean {
  if (meta.main === true) return true
  const script = process.argv[1]
  if (!script || !meta.url.startsWith('file:')) return false
  const file = realPath(fileURLToPath(meta.url))
  // Node follows links to the script, but leaves the name as it was typed, perhaps without its extension.
  return file !== undefined && [script, `${script}.js`, `${script}.ts`].some((name) => realPath(name) === file)
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path)
  } catch {
    return undefined
  }
}

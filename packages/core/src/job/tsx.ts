/** Loads TypeScript by tsx from here on, in this process. */
export async function useTsx(url: string): Promise<void> {
  const { register } = await import('tsx/cjs/api')
  register()
  // Its hooks for ES modules break the require() of one, which is all that CommonJS can do.
  if (!isCommonJs(url)) (await import('tsx/esm/api')).register()
}

/** Whether a module is TypeScript that is CommonJS by its name: what import() cannot load on every Node, and require() can. */
export function isCommonJs(url: string): boolean {
  return url.endsWith('.cts')
}

/**
 * Something that is loaded when it is first asked for, and not again: each `import()` costs, where a loader such as tsx is there a
 * question to another thread. A failure is not kept.
 */
export function lazy<T>(load: () => Promise<T>): () => Promise<T> {
  let loading: Promise<T> | undefined
  return () => {
    loading ??= load().catch((error) => {
      loading = undefined
      throw error
    })
    return loading
  }
}

export { Sum } from '../guarded.mjs'

// biome-ignore lint/style/noDefaultExport: it is what is tested
export default {
  get secret() {
    throw new Error('SECRET is not set')
  },
}

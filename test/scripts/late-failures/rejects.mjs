export { Sum } from '../guarded.mjs'

Promise.reject(new Error('no connection'))
await new Promise((later) => setTimeout(later, 100))

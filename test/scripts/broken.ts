import { Sum } from './syntax-error.mjs'

console.log(Sum)

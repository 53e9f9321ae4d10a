// A script in JavaScript whose job file is TypeScript.
import { Sum } from './typed/sum.ts'

console.log(process.argv.slice(2).join(), await Sum.map([1, 2, 3]))

const { Producer } = require('@pymar/core')

class Sum extends Producer {
  static mapFn(xs) {
    return xs
  }
  static reduceFn(values) {
    return [...values].reduce((a, b) => a + b, 0)
  }
}
exports.Sum = Sum

if (require.main === module) Sum.map([1, 2, 3]).then((sum) => console.log(process.argv.slice(2).join(), sum))

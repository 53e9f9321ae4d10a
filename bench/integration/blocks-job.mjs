// The integration with Pymar, in blocks of a typed array.
import { BlockSource, Producer } from '@pymar/core'
import { fillBlock, length, mapBlock, mapEach, partitionCount, reduceFn } from './functions.mjs'

const blockLength = 4096

export class PointBlocks extends BlockSource {
  static fullLength() {
    return length
  }

  *blocks() {
    const end = this.offset + this.limit
    const block = new Float64Array(blockLength)
    for (let at = this.offset; at < end; at += blockLength) yield fillBlock(block.subarray(0, end - at), at)
  }
}

export class BlockIntegral extends Producer {
  static WORKERS_NUMBER = partitionCount
  static mapFn = mapBlock
  static reduceFn = reduceFn
}

export class EachIntegral extends Producer {
  static WORKERS_NUMBER = partitionCount
  static mapFn = mapEach
  static reduceFn = reduceFn
}

throw new RangeError('while it was imported')

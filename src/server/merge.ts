/** Several streams as one, each item with its stream's index, in the order in which they come. */
export async function* merge<T>(streams: readonly AsyncIterable<T>[]): AsyncGenerator<[number, T]> {
  const iterators = streams.map((stream) => stream[Symbol.asyncIterator]());
  const next = (index: number) => iterators[index].next().then((result) => ({ index, result }));
  const pending = new Map(iterators.map((_, index) => [index, next(index)]));
  try {
    while (pending.size > 0) {
      const { index, result } = await Promise.race(pending.values());
      if (result.done) pending.delete(index);
      else {
        pending.set(index, next(index));
        yield [index, result.value];
      }
    }
  } finally {
    for (const waiting of pending.values()) waiting.catch(() => {});
    for (const index of pending.keys()) void iterators[index].return?.()?.catch?.(() => {});
  }
}

/** A promise and the means to settle it from elsewhere. */
export type Deferred<T> = { readonly promise: Promise<T>; resolve(this: void, value: T): void };

export function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

/**
 * Python's pickles, as far as `torch.save` of a state dict needs them: plain values, and calls that are known by name.
 * Nothing is imported or run: a name that `known` does not have ends the reading, so a hostile file can do no more than
 * be refused. Opcodes: CPython's Lib/pickletools.py, protocols 2 to 5.
 */

/** A callable of the file, by "module.name". */
export type Known = ReadonlyMap<string, (args: unknown[]) => unknown>;

/** A class that is only named, such as a storage's type. */
export class PickledName {
  constructor(readonly name: string) {}
}

const MARK = Symbol("mark");

/**
 * Dictionaries come as Map, tuples and lists as arrays, None as null.
 * @param names classes that may be named but not called
 * @param persistent what a persistent id stands for
 * @throws Error that says what is wrong
 */
export function readPickle(
  bytes: Uint8Array,
  known: Known,
  names: ReadonlySet<string>,
  persistent: (id: unknown) => unknown,
): unknown {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const stack: unknown[] = [];
  const memo = new Map<number, unknown>();
  let at = 0;

  const take = (length: number): number => {
    if (length > bytes.length - at) throw new Error("it is cut off");
    at += length;
    return at - length;
  };
  const byte = () => view.getUint8(take(1));
  const word = () => view.getUint32(take(4), true);
  const text = (length: number): string => {
    const start = take(length);
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes.subarray(start, at));
  };
  const line = (): string => {
    const end = bytes.indexOf(10, at);
    if (end < 0) throw new Error("it is cut off");
    const value = text(end - at);
    at++;
    return value;
  };
  const pop = (): unknown => {
    if (stack.length === 0 || stack[stack.length - 1] === MARK) {
      throw new Error("it takes from an empty stack");
    }
    return stack.pop();
  };
  const top = (): unknown => {
    const value = pop();
    stack.push(value);
    return value;
  };
  const toMark = (): unknown[] => {
    const mark = stack.lastIndexOf(MARK);
    if (mark < 0) throw new Error("it lacks a mark");
    const values = stack.splice(mark).slice(1);
    return values;
  };
  const tuple = (length: number) => {
    const values = Array.from({ length }, pop);
    stack.push(values.reverse());
  };
  const global = (name: string) => {
    if (!known.has(name) && !names.has(name)) throw new Error(`it names ${name}, which is not used here`);
    stack.push(new PickledName(name));
  };
  const call = (): unknown => {
    const args = pop(), callee = pop();
    const run = callee instanceof PickledName ? known.get(callee.name) : undefined;
    if (run === undefined || !Array.isArray(args)) throw new Error("it calls what can't be called");
    return run(args);
  };
  const set = (pairs: unknown[]) => {
    const map = top();
    if (!(map instanceof Map) || pairs.length % 2) throw new Error("it sets items of what is no dictionary");
    for (let i = 0; i < pairs.length; i += 2) map.set(pairs[i], pairs[i + 1]);
  };
  const append = (values: unknown[]) => {
    const list = top();
    if (!Array.isArray(list)) throw new Error("it appends to what is no list");
    for (const value of values) list.push(value);
  };
  const remembered = (key: number) => {
    if (!memo.has(key)) throw new Error("it recalls what it did not store");
    stack.push(memo.get(key));
  };
  const long = (): number => {
    const length = byte();
    if (length > 7) throw new Error("a number in it is too large");
    const start = take(length);
    let value = 0;
    for (let i = length - 1; i >= 0; i--) value = value * 256 + bytes[start + i];
    return length > 0 && bytes[start + length - 1] & 0x80 ? value - 256 ** length : value;
  };

  // deno-fmt-ignore
  const operations: Record<number, () => void> = {
    0x80: () => void byte(), // PROTO
    0x95: () => void take(8), // FRAME
    0x28: () => void stack.push(MARK), // MARK
    0x30: () => void pop(), // POP
    0x4e: () => void stack.push(null), // NONE
    0x88: () => void stack.push(true), // NEWTRUE
    0x89: () => void stack.push(false), // NEWFALSE
    0x4a: () => void stack.push(view.getInt32(take(4), true)), // BININT
    0x4b: () => void stack.push(byte()), // BININT1
    0x4d: () => void stack.push(view.getUint16(take(2), true)), // BININT2
    0x8a: () => void stack.push(long()), // LONG1
    0x47: () => void stack.push(view.getFloat64(take(8))), // BINFLOAT
    0x58: () => void stack.push(text(word())), // BINUNICODE
    0x8c: () => void stack.push(text(byte())), // SHORT_BINUNICODE
    0x7d: () => void stack.push(new Map()), // EMPTY_DICT
    0x5d: () => void stack.push([]), // EMPTY_LIST
    0x29: () => tuple(0), // EMPTY_TUPLE
    0x85: () => tuple(1), // TUPLE1
    0x86: () => tuple(2), // TUPLE2
    0x87: () => tuple(3), // TUPLE3
    0x74: () => void stack.push(toMark()), // TUPLE
    0x6c: () => void stack.push(toMark()), // LIST
    0x71: () => void memo.set(byte(), top()), // BINPUT
    0x72: () => void memo.set(word(), top()), // LONG_BINPUT
    0x94: () => void memo.set(memo.size, top()), // MEMOIZE
    0x68: () => remembered(byte()), // BINGET
    0x6a: () => remembered(word()), // LONG_BINGET
    0x73: () => { const value = pop(), key = pop(); set([key, value]); }, // SETITEM
    0x75: () => set(toMark()), // SETITEMS
    0x61: () => append([pop()]), // APPEND
    0x65: () => append(toMark()), // APPENDS
    0x63: () => { const module = line(); global(`${module}.${line()}`); }, // GLOBAL
    0x93: () => { const name = pop(), module = pop(); global(`${module}.${name}`); }, // STACK_GLOBAL
    0x51: () => void stack.push(persistent(pop())), // BINPERSID
    0x52: () => void stack.push(call()), // REDUCE
    0x62: () => void pop(), // BUILD: attributes (a state dict's _metadata), which are not needed
  };

  for (;;) {
    const code = byte();
    if (code === 0x2e) return pop(); // STOP
    if (!Object.hasOwn(operations, code)) {
      throw new Error(`its instruction 0x${code.toString(16)} is not used here`);
    }
    operations[code]();
  }
}

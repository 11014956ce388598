/**
 * A kernel = a WGSL file and its TypeScript contract, compared at import. A kernel's file has one struct `Shape`
 * (uniform, binding 0), storage buffers from binding 1 on, `override` constants and one entry point `main`.
 */

/**
 * How a kernel sees a binding: storage buffers to read or write; "uniform": a window of at most 64 KiB of a buffer;
 * "texture", "texture_write": 16-byte texels. CPU drivers load from uniforms and texels ten times faster than from storage buffers.
 */
export type Access = "read" | "write" | "uniform" | "texture" | "texture_write";
export type Scalar = "u32" | "i32" | "f32";
export type Grid = readonly [number, number?, number?];
export type ShapeOf<S extends Record<string, Scalar>> = { readonly [K in keyof S]: number };
/** Rows past 32,768 go to the second dimension (kernels read row = x + 32768 · y or z). */
export const ROWS = 32768;
export const tall = (rows: number): Grid => [Math.min(rows, ROWS), Math.ceil(rows / ROWS)];
export type Constants = Readonly<Record<string, number>>;

export interface Kernel<
  B extends Record<string, Access> = Record<string, Access>,
  S extends Record<string, Scalar> = Record<string, Scalar>,
> {
  readonly name: string;
  readonly wgsl: string;
  /** Bindings 1, 2 … in the file's order. */
  readonly buffers: B;
  /** Fields of `Shape` in the file's order. */
  readonly shape: S;
  /** Overrides with their defaults, as the file gives them. */
  readonly constants: Constants;
  /** Workgroups for a shape. */
  grid(shape: ShapeOf<S>, constants: Constants): Grid;
}

const SPACES: Record<string, Access | undefined> = {
  "storage,read": "read",
  "storage,read_write": "write",
  "uniform": "uniform",
};

const TEXTURES: Record<string, Access | undefined> = {
  texture_2d: "texture",
  texture_storage_2d: "texture_write",
};

/**
 * The same kernel with its texels read as a storage texture's (WGSL's readonly_and_readwrite_storage_textures) instead of a
 * sampled one's: drivers take quite different paths, and which is faster is measured (profile.ts).
 */
export const withStorageReads = (wgsl: string): string =>
  wgsl.replaceAll("texture_2d<u32>", "texture_storage_2d<rgba32uint, read>")
    .replace(/(textureLoad\(.*), 0\)/g, "$1)");

interface Parsed {
  buffers: [string, Access][];
  shape: [string, string][];
  constants: Record<string, number>;
}

/** Reads bindings, Shape and overrides out of WGSL. @throws where the file departs from the form above. */
export function parseWgsl(name: string, wgsl: string): Parsed {
  const code = wgsl.replace(/\/\/[^\n]*/g, "");
  const buffers: [string, Access][] = [];
  const binding = /@group\((\d+)\)\s*@binding\((\d+)\)\s*var(?:<([^>]*)>)?\s*(\w+)\s*:\s*(\w+)/g;
  for (const [, group, index, kind = "", id, type] of code.matchAll(binding)) {
    if (group !== "0") {
      throw new Error(`Cannot use kernel ${name}: ${id} is in group ${group}, only 0 is used`);
    }
    const space = kind.replace(/\s/g, "");
    if (index === "0") {
      if (space !== "uniform" || id !== "shape") {
        throw new Error(`Cannot use kernel ${name}: binding 0 is not shape`);
      }
      continue;
    }
    if (Number(index) !== buffers.length + 1) {
      throw new Error(`Cannot use kernel ${name}: binding ${index} (${id}) is out of order`);
    }
    const access = SPACES[space] ?? TEXTURES[type] ?? null;
    if (!access) throw new Error(`Cannot use kernel ${name}: ${id} is var<${kind}> of ${type}`);
    buffers.push([id, access]);
  }
  const struct = /struct\s+Shape\s*\{([^}]*)\}/.exec(code);
  if (!struct) throw new Error(`Cannot use kernel ${name}: no struct Shape`);
  const shape = [...struct[1].matchAll(/(\w+)\s*:\s*(\w+)/g)].map((m) => [m[1], m[2]] as [string, string]);
  const constants: Record<string, number> = {};
  for (const [, id, , value] of code.matchAll(/override\s+(\w+)\s*:\s*(\w+)\s*=\s*([^;]+);/g)) {
    constants[id] = value.trim() === "true" ? 1 : value.trim() === "false" ? 0 : parseFloat(value);
  }
  const mains = [...code.matchAll(/@compute/g)].length;
  if (mains !== 1 || !/fn\s+main\s*\(/.test(code)) {
    throw new Error(`Cannot use kernel ${name}: needs one fn main`);
  }
  return { buffers, shape, constants };
}

/**
 * Declares a kernel; throws naming both sides where the file and the contract differ. `parts`: functions that kernels
 * share (wgsl/parts), put behind the file's own text, so that its line numbers stay.
 */
export function kernel<const B extends Record<string, Access>, const S extends Record<string, Scalar>>(
  name: string,
  own: string,
  contract: { buffers: B; shape: S; grid: (shape: ShapeOf<S>, constants: Constants) => Grid },
  parts: readonly string[] = [],
): Kernel<B, S> {
  const wgsl = [own, ...parts].join("\n");
  const parsed = parseWgsl(name, wgsl);
  const say = (entries: [string, string][]) => entries.map(([k, v]) => `${k}: ${v}`).join(", ");
  const compare = (what: string, file: string, code: string) => {
    if (file !== code) {
      throw new Error(`Cannot use kernel ${name}: its WGSL has ${what} {${file}}, its contract {${code}}`);
    }
  };
  compare("buffers", say(parsed.buffers), say(Object.entries(contract.buffers)));
  compare("Shape", say(parsed.shape), say(Object.entries(contract.shape)));
  return { name, wgsl, constants: parsed.constants, ...contract };
}

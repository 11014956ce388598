/**
 * A schema's `pattern` for text inside a JSON string: where it takes any character, those that JSON writes escaped are
 * left out, so that what it matches stands in the string as it is. Patterns that ask for them are refused.
 */

/** `"`, `\` and control characters, in a class. */
const UNSAFE = String.raw`"\\\x00-\x1f`;
/** Classes that hold some of them, and the same without. */
const CLASSES: Record<string, string> = {
  D: `[^0-9${UNSAFE}]`,
  W: `[^A-Za-z0-9_${UNSAFE}]`,
  S: `[^ ${UNSAFE}]`,
  s: "[ ]",
};
/** The same inside a positive class: not to be had there. */
const NOT_IN_CLASS = /[DWSsnrtfv0bB]/;

/** Throws an Error whose message says what is not supported. */
export function safePattern(pattern: string): string {
  let out = "", at = 0;
  const next = () => pattern[at++];
  while (at < pattern.length) {
    const character = next();
    if (character === "\\") out += escape(next());
    else if (character === ".") out += `[^${UNSAFE}]`;
    else if (character === "[") out += readClass();
    else if (character === "(" && pattern[at] === "?" && pattern[at + 1] !== ":") {
      throw new Error("groups other than (…) and (?:…) are not supported");
    } else if (character === '"' || character < " ") {
      throw new Error("characters that JSON escapes are not supported");
    } // The whole string is matched, so that ends need no mark.
    else if (character === "^" || character === "$") {
      if (character === "^" ? !/(^|[|(]|\(\?:)$/.test(out) : !/^($|[|)])/.test(pattern.slice(at))) {
        throw new Error(`${character} is supported at the ends only`);
      }
    } else out += character;
  }
  return out;

  function escape(character: string | undefined): string {
    if (character === undefined) throw new Error("it ends in a backslash");
    if (character in CLASSES) return CLASSES[character];
    if (/[dw]/.test(character)) return `\\${character}`;
    if (/[a-zA-Z0-9]/.test(character)) throw new Error(`\\${character} is not supported`);
    if (character === '"' || character === "\\") {
      throw new Error("characters that JSON escapes are not supported");
    }
    return `\\${character}`;
  }

  function readClass(): string {
    const negated = pattern[at] === "^";
    if (negated) at++;
    let inside = "";
    for (let first = true;; first = false) {
      const character = next();
      if (character === undefined) throw new Error("a class is not closed");
      if (character === "]" && !first) break;
      if (character === "\\") {
        const escaped = next() ?? "";
        if (NOT_IN_CLASS.test(escaped) || (!negated && (escaped === "\\" || escaped === '"'))) {
          throw new Error(`\\${escaped} in a class is not supported`);
        }
        inside += escaped === "d" ? "0-9" : escaped === "w" ? "A-Za-z0-9_" : `\\${escaped}`;
        if (/[a-ce-vx-zA-Z0-9]/.test(escaped)) throw new Error(`\\${escaped} in a class is not supported`);
      } else if (!negated && (character === '"' || character < " ")) {
        throw new Error("characters that JSON escapes are not supported");
      } else inside += character;
    }
    if (!negated && /[ -!]-[#-~]|[ -[]-[\]-~]/.test(inside)) {
      throw new Error("a range over characters that JSON escapes is not supported");
    }
    return negated ? `[^${inside}${UNSAFE}]` : `[${inside}]`;
  }
}

/**
 * web-xgrammar as a module. The package is one UMD script that tells Node from a browser by globals, and says why it
 * gave up on the console alone; it gets both from here. It needs no file, no network and no permission.
 */

import source from "@mlc-ai/web-xgrammar" with { type: "text" };

interface Disposable {
  dispose(): void;
}
export interface Matcher extends Disposable {
  acceptToken(id: number): boolean;
  getNextTokenBitmask(): Promise<Int32Array>;
  isTerminated(): boolean;
}
export interface Compiler extends Disposable {
  compileStructuralTag(tag: unknown): Promise<Disposable>;
}
export interface XGrammar {
  Grammar: {
    fromJSONSchema(
      schema: string,
      anyWhitespace: boolean,
      indent: undefined,
      separators: undefined,
      strict: boolean,
      maxWhitespace: number,
    ): Promise<Disposable & { toString(): string }>;
  };
  TokenizerInfo: {
    createTokenizerInfo(
      vocabulary: string[],
      type: "byte_level",
      prependSpace: boolean,
      size: number,
      stopIds: number[],
    ): Promise<Disposable>;
  };
  GrammarCompiler: { createGrammarCompiler(info: Disposable, cache: boolean): Promise<Compiler> };
  GrammarMatcher: { createGrammarMatcher(grammar: Disposable): Promise<Matcher> };
}

/** `complain` hears what the library would print. */
export function loadXGrammar(complain: (line: string) => void): XGrammar {
  const module: { exports: Record<string, unknown> } = { exports: {} };
  const hear = (...words: unknown[]) => complain(words.map(String).join(" "));
  const scope: Record<string, unknown> = {
    module,
    exports: module.exports,
    require: () => ({ pathToFileURL: () => ({ href: "file:///xgrammar.js" }) }),
    __filename: "/xgrammar.js",
    process: undefined,
    window: undefined,
    importScripts: () => {},
    self: { location: { href: "file:///xgrammar.js" } },
    console: { log: hear, warn: hear, error: hear, info: hear, debug: hear },
  };
  new Function(...Object.keys(scope), source)(...Object.values(scope));
  return (module.exports.default ?? module.exports) as XGrammar;
}

/** Entry of the grammars' Worker: compiles, and tells which ids may come next. It may do nothing but compute. */

import type { GrammarSpec, Vocabulary } from "./spec.ts";
import { structuralTag } from "./structural_tag.ts";
import { type Compiler, loadXGrammar, type Matcher } from "./xgrammar.ts";

export type ToGrammarWorker =
  | { type: "vocabulary"; vocabulary: Vocabulary }
  | { type: "compile"; job: number; key: string }
  /** A new matcher that has taken `ids`; answered by its mask. */
  | { type: "open"; matcher: number; key: string; ids: number[] }
  /** Answered by the mask after `id`. */
  | { type: "accept"; matcher: number; id: number }
  | { type: "close"; matcher: number };

export type FromGrammarWorker =
  /** The vocabulary is taken in. */
  | { type: "ready" }
  | { type: "compiled"; job: number; problem: string | null }
  /** null: the matcher cannot go on. */
  | { type: "mask"; matcher: number; mask: Uint32Array | null };

interface Port {
  postMessage(message: FromGrammarWorker, transfer?: Transferable[]): void;
  onmessage: ((event: MessageEvent<ToGrammarWorker>) => void) | null;
}

/** Compiled grammars that are kept. */
const KEPT = 64;

const port = self as unknown as Port;
const complaints: string[] = [];
const xgrammar = loadXGrammar((line) => complaints.push(line));
const compiled = new Map<string, { dispose(): void }>();
const matchers = new Map<number, Matcher>();
const setUp = Promise.withResolvers<{ compiler: Compiler; vocabulary: number }>();

/** Compiled now or before. Rejects with a message for the client. */
async function compile(key: string): Promise<{ dispose(): void }> {
  const known = compiled.get(key);
  if (known !== undefined) {
    compiled.delete(key);
    compiled.set(key, known);
    return known;
  }
  const { compiler, vocabulary } = await setUp.promise;
  complaints.length = 0;
  let grammar: { dispose(): void };
  try {
    grammar = await compiler.compileStructuralTag(
      await structuralTag(JSON.parse(key) as GrammarSpec, { xgrammar, vocabulary }),
    );
  } catch {
    throw new Error(reasonIn(complaints));
  }
  compiled.set(key, grammar);
  for (const [oldest, unused] of compiled) {
    if (compiled.size <= KEPT) break;
    compiled.delete(oldest);
    unused.dispose();
  }
  return grammar;
}

/** The library's own words without its source lines. */
function reasonIn(lines: readonly string[]): string {
  const said = lines.join(" ").replace(/\[[^\]]*\]\s*\S*\.(cc|h):\d+:?/g, "").replace(/Aborted\(.*$/, "");
  const text = said.replace(/\s+/g, " ").trim().slice(0, 300);
  return text === "" || text.startsWith("Check failed") ? "it is not a grammar that can be used" : text;
}

async function tellMask(id: number): Promise<void> {
  const matcher = matchers.get(id);
  if (matcher === undefined) return;
  const mask = await matcher.getNextTokenBitmask();
  const words = new Uint32Array(mask.length);
  words.set(mask);
  port.postMessage({ type: "mask", matcher: id, mask: words }, [words.buffer]);
}

async function handle(message: ToGrammarWorker): Promise<void> {
  switch (message.type) {
    case "vocabulary": {
      const { tokens, size, stopIds } = message.vocabulary;
      const info = await xgrammar.TokenizerInfo.createTokenizerInfo(
        tokens,
        "byte_level",
        false,
        size,
        stopIds,
      );
      const compiler = await xgrammar.GrammarCompiler.createGrammarCompiler(info, false);
      setUp.resolve({ compiler, vocabulary: size });
      port.postMessage({ type: "ready" });
      return;
    }
    case "compile":
      try {
        await compile(message.key);
        port.postMessage({ type: "compiled", job: message.job, problem: null });
      } catch (error) {
        port.postMessage({ type: "compiled", job: message.job, problem: (error as Error).message });
      }
      return;
    case "open":
    case "accept":
      try {
        if (message.type === "open") {
          const matcher = await xgrammar.GrammarMatcher.createGrammarMatcher(
            await compile(message.key) as never,
          );
          matchers.set(message.matcher, matcher);
          for (const id of message.ids) {
            if (!matcher.acceptToken(id)) throw new Error("An id was not accepted");
          }
        } else if (!(matchers.get(message.matcher)?.acceptToken(message.id) ?? true)) {
          throw new Error("An id was not accepted");
        }
        await tellMask(message.matcher);
      } catch {
        port.postMessage({ type: "mask", matcher: message.matcher, mask: null });
      }
      return;
    case "close":
      matchers.get(message.matcher)?.dispose();
      matchers.delete(message.matcher);
  }
}

/** One after the other: what is asked for later rests on what came before. */
function listen(): void {
  let queue = Promise.resolve();
  port.onmessage = ({ data }) => void (queue = queue.then(() => handle(data)));
}

listen();

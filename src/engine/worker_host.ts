/** The engine's side of its Worker: messages in, messages out. The Worker's entry (src/worker.ts) gives the loader. */

import type { Model } from "../families/family.ts";
import { Engine } from "./engine.ts";
import { selfTest } from "./self_test.ts";
import { EngineError } from "./generation.ts";
import { GrammarError, type GrammarSpec } from "./grammar/spec.ts";
import type { FromWorker, LoadRequest, ToWorker } from "./protocol.ts";

/** The part of a Worker's global scope that is used. */
export interface Port {
  postMessage(message: FromWorker): void;
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
}

const NOTHING = { blocks: 0, media: 0 };

/** Serves an engine over `port`. `load` makes the model that the main thread asks for. */
export function serveEngine(port: Port, load: (request: LoadRequest) => Promise<Model>): void {
  let engine: Engine | null = null;
  let saved: LoadRequest["saved"] = null;

  const start = async (request: LoadRequest): Promise<void> => {
    try {
      const model = await load(request);
      await selfTest(model);
      engine = new Engine(model, {
        event: (id, event) => port.postMessage({ type: "event", id, event }),
        failed: (id, { message, code }) => port.postMessage({ type: "failed", id, message, code }),
        lost: (reason) => port.postMessage({ type: "lost", reason }),
      }, request.options);
      saved = request.saved;
      const restored = saved === null ? NOTHING : engine.restoreCache(saved.path, saved.fingerprint);
      port.postMessage({ type: "ready", info: model.info, restored });
    } catch (error) {
      port.postMessage({
        type: "load-failed",
        message: error instanceof Error ? error.message : String(error),
      });
    }
  };

  const save = async (id: number): Promise<void> => {
    try {
      const counts = engine === null || saved === null
        ? NOTHING
        : await engine.saveCache(saved.path, saved.fingerprint);
      port.postMessage({ type: "saved", id, counts, problem: null });
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      port.postMessage({ type: "saved", id, counts: NOTHING, problem });
    }
  };

  const compile = async (id: number, spec: GrammarSpec): Promise<void> => {
    try {
      if (engine === null) throw new EngineError("The engine is not ready", "unavailable");
      await engine.constraints.compile(spec);
      port.postMessage({ type: "compiled", id, problem: null });
    } catch (error) {
      const { message, code } = error instanceof GrammarError
        ? error
        : { message: "it could not be compiled", code: "grammar_too_complex" as const };
      port.postMessage({ type: "compiled", id, problem: { message, code } });
    }
  };

  port.onmessage = ({ data }) => {
    switch (data.type) {
      case "load":
        void start(data.request);
        return;
      case "generate":
        try {
          if (engine === null) throw new EngineError("The engine is not ready", "unavailable");
          engine.submit(data.id, data.prompt, data.params);
        } catch (error) {
          const code = error instanceof EngineError ? error.code : "internal";
          const message = error instanceof Error ? error.message : String(error);
          port.postMessage({ type: "failed", id: data.id, message, code });
        }
        return;
      case "vocabulary":
        engine?.constraints.setVocabulary(data.vocabulary);
        return;
      case "compile":
        void compile(data.id, data.spec);
        return;
      case "abort":
        engine?.abort(data.id);
        return;
      case "save":
        void save(data.id);
        return;
      case "stats":
        if (engine !== null) port.postMessage({ type: "stats", id: data.id, stats: engine.stats() });
    }
  };
}

/** Prometheus text (0.0.4), by hand. Gauges come from the engine's counters as they were last told. */

import type { EngineStats } from "../engine/generation.ts";

const SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];

class Histogram {
  readonly #counts = new Array(SECONDS.length + 1).fill(0);
  #sum = 0;

  observe(seconds: number): void {
    const at = SECONDS.findIndex((bound) => seconds <= bound);
    this.#counts[at < 0 ? SECONDS.length : at]++;
    this.#sum += seconds;
  }

  lines(name: string, labels: string): string[] {
    let total = 0;
    const buckets = [...SECONDS.map(String), "+Inf"].map((bound, i) => {
      total += this.#counts[i];
      return `${name}_bucket{${labels},le="${bound}"} ${total}`;
    });
    return [...buckets, `${name}_sum{${labels}} ${this.#sum}`, `${name}_count{${labels}} ${total}`];
  }
}

export class Metrics {
  readonly #requests = new Map<string, number>();
  readonly #firstToken = new Histogram();
  readonly #betweenTokens = new Histogram();
  readonly #whole = new Histogram();
  #aborted = 0;

  /** A request is over. `route`: of the table of routes, or "other". */
  request(route: string, status: number, seconds: number, aborted: boolean): void {
    const key = `route="${route}",status="${status}"`;
    this.#requests.set(key, (this.#requests.get(key) ?? 0) + 1);
    if (aborted) this.#aborted++;
    else this.#whole.observe(seconds);
  }

  /** From the prompt's admission to the first token. */
  firstToken(seconds: number): void {
    this.#firstToken.observe(seconds);
  }

  betweenTokens(seconds: number): void {
    this.#betweenTokens.observe(seconds);
  }

  text(model: string, engine: EngineStats | null): string {
    const name = `model_name="${model.replace(/[\\"\n]/g, "_")}"`;
    const out: string[] = [];
    const family = (type: string, metric: string, lines: string[]) =>
      out.push(`# TYPE ${metric} ${type}`, ...lines);
    const one = (type: string, metric: string, value: number, labels = name) =>
      family(type, metric, [`${metric}{${labels}} ${value}`]);
    if (engine !== null) {
      one("gauge", "valley_num_requests_waiting", engine.waiting);
      one("gauge", "valley_num_requests_running", engine.running);
      one("gauge", "valley_kv_cache_usage_ratio", 1 - engine.freeBlocks / engine.totalBlocks);
      one("gauge", "valley_kv_cache_reusable_ratio", engine.cachedBlocks / engine.totalBlocks);
      const cache = `${name},block_size="${engine.blockSize}",num_gpu_blocks="${engine.totalBlocks}"`;
      one("gauge", "valley_cache_config_info", 1, cache);
      one("counter", "valley_prompt_tokens_total", engine.promptTokens + engine.cachedTokens);
      one("counter", "valley_cached_tokens_total", engine.cachedTokens);
      one("counter", "valley_generated_tokens_total", engine.generatedTokens);
      one("counter", "valley_preemptions_total", engine.preemptions);
      one("counter", "valley_steps_total", engine.steps);
      one("counter", "valley_media_encoded_total", engine.mediaEncoded);
      one("gauge", "valley_device_allocations", engine.deviceAllocations);
      one("gauge", "valley_device_memory_bytes", engine.deviceBytes);
    }
    const requests = [...this.#requests].map(([labels, count]) =>
      `valley_requests_total{${name},${labels}} ${count}`
    );
    family("counter", "valley_requests_total", requests);
    one("counter", "valley_requests_aborted_total", this.#aborted);
    family(
      "histogram",
      "valley_time_to_first_token_seconds",
      this.#firstToken.lines("valley_time_to_first_token_seconds", name),
    );
    family(
      "histogram",
      "valley_inter_token_seconds",
      this.#betweenTokens.lines("valley_inter_token_seconds", name),
    );
    family("histogram", "valley_request_seconds", this.#whole.lines("valley_request_seconds", name));
    return out.join("\n") + "\n";
  }
}

/** What smg reads of a worker's load (`/v1/loads`). */
export function loads(engine: EngineStats | null, tokensPerSecond: number) {
  const stats = engine ??
    {
      waiting: 0,
      waitingTokens: 0,
      running: 0,
      freeBlocks: 0,
      totalBlocks: 0,
      blockSize: 0,
      totalSlots: 0,
      cachedTokens: 0,
      promptTokens: 0,
    };
  const used = stats.totalBlocks - stats.freeBlocks;
  const seen = stats.cachedTokens + stats.promptTokens;
  return {
    timestamp: new Date().toISOString(),
    version: "valley-edge",
    dp_rank_count: 1,
    loads: [{
      dp_rank: 0,
      num_running_reqs: stats.running,
      num_waiting_reqs: stats.waiting,
      num_waiting_uncached_tokens: stats.waitingTokens,
      num_total_reqs: stats.running + stats.waiting,
      num_used_tokens: used * stats.blockSize,
      max_total_num_tokens: stats.totalBlocks * stats.blockSize,
      token_usage: stats.totalBlocks === 0 ? 0 : used / stats.totalBlocks,
      gen_throughput: tokensPerSecond,
      cache_hit_rate: seen === 0 ? 0 : stats.cachedTokens / seen,
      utilization: stats.totalSlots === 0 ? 0 : stats.running / stats.totalSlots,
      max_running_requests: stats.totalSlots,
    }],
  };
}

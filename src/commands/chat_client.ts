/** The terminal chat's side of HTTP: one answer, written to standard output as it comes. */

export interface Server {
  url: string;
  key: string | null;
}

/** Throws Error in words for a person. */
export async function streamAnswer(
  { url, key }: Server,
  body: Record<string, unknown>,
  signal: AbortSignal,
): Promise<{ content: string; stats: string }> {
  const started = performance.now();
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", ...(key ? { authorization: `Bearer ${key}` } : {}) },
    body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
    signal,
  }).catch((error) => {
    if (signal.aborted) throw error;
    throw new Error(`No server answers at ${url}. Start one with: deno task start`);
  });
  if (!response.ok) {
    const text = await response.text();
    let message = `The server answered ${response.status}`;
    try {
      message = JSON.parse(text).error.message;
    } catch { /* not the API's own words */ }
    throw new Error(message);
  }
  const encoder = new TextEncoder(), grey = Deno.stdout.isTerminal();
  const write = (text: string) => Deno.stdout.writeSync(encoder.encode(text));
  let content = "", first = 0, thinking = false;
  let usage: {
    prompt_tokens: number;
    completion_tokens: number;
    prompt_tokens_details: { cached_tokens: number };
  };
  for await (const line of linesOf(response.body!)) {
    if (!line.startsWith("data: ") || line === "data: [DONE]") continue;
    const chunk = JSON.parse(line.slice(6));
    if (chunk.error) throw new Error(chunk.error.message);
    usage = chunk.usage ?? usage!;
    const { content: text, reasoning, tool_calls: calls } = chunk.choices?.[0]?.delta ?? {};
    if (text || reasoning || calls) first ||= performance.now();
    if (reasoning && grey) {
      if (!thinking) write("\x1b[2m");
      thinking = true;
      write(reasoning);
    }
    if (thinking && (text || calls)) {
      thinking = false;
      write("\x1b[0m\n");
    }
    if (text) write(text);
    for (const { index, id, function: called } of calls ?? []) {
      if (id) write(`${index > 0 || content !== "" ? "\n" : ""}${called.name} `);
      write(called.arguments);
    }
    content += text ?? "";
  }
  write("\n");
  return { content, stats: statsOf(usage!, started, first) };
}

function statsOf(
  usage: {
    prompt_tokens: number;
    completion_tokens: number;
    prompt_tokens_details: { cached_tokens: number };
  },
  started: number,
  first: number,
): string {
  const rate = (usage.completion_tokens - 1) / Math.max(performance.now() - first, 1) * 1000;
  return `${usage.completion_tokens} tokens, ${rate.toFixed(1)} a second, first after ${
    ((first - started) / 1000).toFixed(2)
  } s; prompt ${usage.prompt_tokens}, ${usage.prompt_tokens_details.cached_tokens} cached`;
}

async function* linesOf(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const piece of body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
}

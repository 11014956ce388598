/** Requests to a running server, timed as a client sees them. */
import { type Server, startServer } from "../tools/demo_eval/server.ts";

export interface Timed {
  /** Milliseconds from sending to the first and to the last piece of text. */
  first: number;
  last: number;
  /** performance.now() of both. */
  firstAt: number;
  lastAt: number;
  text: string;
  promptTokens: number;
  cachedTokens: number;
  completionTokens: number;
}

/** One streamed chat request. @throws Error with what the server says when it refuses */
export async function streamChat(url: string, body: Record<string, unknown>): Promise<Timed> {
  const start = performance.now();
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
  });
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  let firstAt = 0, lastAt = 0, text = "", rest = "";
  const usage = { prompt: 0, cached: 0, completion: 0 };
  for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      if (!line.startsWith("data: ") || line === "data: [DONE]") continue;
      const event = JSON.parse(line.slice(6));
      if (event.error) throw new Error(JSON.stringify(event.error));
      const delta = event.choices?.[0]?.delta;
      const content = (delta?.content ?? "") + (delta?.reasoning_content ?? "");
      if (content) {
        lastAt = performance.now();
        firstAt ||= lastAt;
        text += content;
      }
      if (event.usage) {
        usage.prompt = event.usage.prompt_tokens;
        usage.completion = event.usage.completion_tokens;
        usage.cached = event.usage.prompt_tokens_details?.cached_tokens ?? 0;
      }
    }
  }
  return {
    first: firstAt - start,
    last: lastAt - start,
    firstAt,
    lastAt,
    text,
    promptTokens: usage.prompt,
    cachedTokens: usage.cached,
    completionTokens: usage.completion,
  };
}

/** The demo model served as users serve it, for as long as `work` takes. */
export async function withServer<T>(project: string, work: (url: string) => Promise<T>): Promise<T> {
  const server: Server = await startServer(project, `${project}weights/demo`);
  try {
    return await work(server.url);
  } finally {
    await server.stop();
  }
}

export const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1];

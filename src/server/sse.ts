/** Server-sent events from news that come at any time. */

/** An event without a name. */
export function data(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

/** An event that its name tells apart. */
export function named(event: string, value: unknown): string {
  return `event: ${event}\n${data(value)}`;
}

/** How OpenAI's streams end. */
export const DONE = "data: [DONE]\n\n";

const HEADERS = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-store",
  "x-accel-buffering": "no",
};

export interface SseOptions {
  /** A comment goes out when nothing came for so long. */
  pingSeconds: number;
  /** The client has left; the events must end soon. */
  left(): void;
  /** Nothing more is sent. */
  over(): void;
}

/** A response that sends each of `events`, written by `data` or `named`, as it comes. */
export function sseResponse(
  events: AsyncIterable<string>,
  { pingSeconds, left, over }: SseOptions,
): Response {
  const encoder = new TextEncoder();
  const iterator = events[Symbol.asyncIterator]();
  let next: Promise<IteratorResult<string>> | null = null;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      next ??= iterator.next();
      const silence = after(pingSeconds * 1000);
      const result = await Promise.race([next, silence.over]);
      silence.cancel();
      if (result === null) {
        controller.enqueue(encoder.encode(": ping\n\n"));
        return;
      }
      next = null;
      if (!result.done) controller.enqueue(encoder.encode(result.value));
      else {
        controller.close();
        over();
      }
    },
    async cancel() {
      left();
      await iterator.return?.();
      over();
    },
  }, { highWaterMark: 0 });
  return new Response(body, { headers: HEADERS });
}

function after(ms: number): { over: Promise<null>; cancel: () => void } {
  let cancel = () => {};
  const over = new Promise<null>((resolve) => {
    const timer = setTimeout(() => resolve(null), ms);
    cancel = () => clearTimeout(timer);
  });
  return { over, cancel };
}

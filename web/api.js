// @ts-check
/** The server's API. Requests go by XMLHttpRequest where progress of the upload is shown; fetch tells none. */

/** @import { Model, News } from "./types.d.ts" */

const KEY = "valley-key";

export const apiKey = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  /** @param {string} key */
  set: (key) => key === "" ? sessionStorage.removeItem(KEY) : sessionStorage.setItem(KEY, key),
};

export class ApiFailure extends Error {
  /**
   * @param {string} message
   * @param {number} status 0: no answer came
   */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** @returns {Record<string, string>} */
const authorization = () => apiKey.get() === "" ? {} : { authorization: `Bearer ${apiKey.get()}` };

/** @returns {Promise<Model>} */
export async function servedModel() {
  const response = await fetch("/v1/models", { headers: authorization() }).catch(() => {
    throw new ApiFailure("The server does not answer. Is it running?", 0);
  });
  const text = await response.text();
  if (!response.ok) throw failure(response.status, text, response.headers.get("retry-after"));
  return JSON.parse(text).data[0];
}

/**
 * Sends a conversation and tells what comes back. Rejects with ApiFailure; with AbortError when `signal` aborts.
 * @param {Record<string, unknown>} body
 * @param {(news: News) => void} tell
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
export function streamChat(body, tell, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const lines = lineReader((line) => readLine(line, tell));
    let read = 0, over = false;
    /** @param {() => void} how */
    const end = (how) => {
      if (over) return;
      over = true;
      signal.removeEventListener("abort", stop);
      how();
    };
    const stop = () => {
      end(() => reject(new DOMException("Stopped", "AbortError")));
      request.abort();
    };
    const take = () => {
      if (over || request.status !== 200) return;
      const fresh = request.responseText.slice(read);
      read += fresh.length;
      try {
        lines(fresh);
      } catch (error) {
        end(() => reject(error));
        request.abort();
      }
    };
    request.open("POST", "/v1/chat/completions");
    request.setRequestHeader("content-type", "application/json");
    for (const [name, value] of Object.entries(authorization())) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded, total }) => tell({ type: "upload", sent: loaded, total });
    request.upload.onload = () => tell({ type: "waiting" });
    request.onprogress = take;
    request.onload = () => {
      take();
      if (request.status === 200) return end(resolve);
      const wait = request.getResponseHeader("retry-after");
      end(() => reject(failure(request.status, request.responseText, wait)));
    };
    request.onerror = () => end(() => reject(new ApiFailure("The connection to the server broke.", 0)));
    signal.addEventListener("abort", stop);
    if (signal.aborted) stop();
    else request.send(JSON.stringify(body));
  });
}

/**
 * Pieces of text → whole lines.
 * @param {(line: string) => void} take
 * @returns {(piece: string) => void}
 */
function lineReader(take) {
  let rest = "";
  return (piece) => {
    const lines = (rest + piece).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) take(line);
  };
}

/**
 * @param {string} line
 * @param {(news: News) => void} tell
 */
function readLine(line, tell) {
  if (line.startsWith(":")) return tell({ type: "waiting" });
  if (!line.startsWith("data: ") || line === "data: [DONE]") return;
  const { error, choices = [], usage } = JSON.parse(line.slice(6));
  if (error) throw new ApiFailure(error.message, 500);
  for (const { delta = {}, finish_reason: reason } of choices) {
    const thought = delta.reasoning_content ?? delta.reasoning;
    if (thought) tell({ type: "reasoning", text: thought });
    if (delta.content) tell({ type: "content", text: delta.content });
    for (const { index, id = null, function: called = {} } of delta.tool_calls ?? []) {
      tell({ type: "call", index, id, name: called.name ?? "", arguments: called.arguments ?? "" });
    }
    if (reason) tell({ type: "finish", reason });
  }
  if (usage) tell({ type: "usage", usage });
}

/**
 * OpenAI's error shape → one sentence for a person.
 * @param {number} status
 * @param {string} text
 * @param {string | null} wait seconds
 */
function failure(status, text, wait) {
  let message = `The server answered ${status}.`;
  try {
    message = JSON.parse(text).error.message;
  } catch { /* not the API's own words */ }
  if (wait !== null && (status === 429 || status === 503)) message += ` Try again in ${wait} s.`;
  return new ApiFailure(message, status);
}

// @ts-check
/** Messages of the page → the body of a request. */

import { partOf } from "./media.js";

/** @import { Message, Settings } from "./types.d.ts" */

/**
 * @param {Message[]} messages
 * @param {Settings} settings
 * @param {string | null} effort
 */
export async function bodyOf(messages, settings, effort) {
  /** @type {Record<string, unknown>[]} */
  const sent = await Promise.all(messages.map(async (message) => {
    const { role, text, media, calls, reasoning, callId } = message;
    if (role === "tool") return { role, tool_call_id: callId, content: text };
    if (role === "user") {
      if (media.length === 0) return { role, content: text };
      const parts = await Promise.all(media.map(partOf));
      return { role, content: text ? [...parts, { type: "text", text }] : parts };
    }
    const tool_calls = calls.map(({ id, name, arguments: given }) => ({
      id,
      type: "function",
      function: { name, arguments: given },
    }));
    return { role, content: text, ...(calls.length ? { tool_calls, reasoning_content: reasoning } : {}) };
  }));
  if (settings.system.trim()) sent.unshift({ role: "system", content: settings.system });
  return {
    messages: sent,
    stream: true,
    stream_options: { include_usage: true },
    ...(settings.tools.trim() ? { tools: JSON.parse(settings.tools) } : {}),
    ...(effort === null ? {} : { reasoning_effort: effort }),
  };
}

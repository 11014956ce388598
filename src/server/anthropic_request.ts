/** A conversation in Anthropic's words → the same in OpenAI's, which everything behind understands. */

import type { AssistantBlock, UserBlock, WireMessages } from "./anthropic_schema.ts";

type Json = Record<string, unknown>;

/** From this budget on a thought is a long one. */
const HIGH_BUDGET = 8192;

const OWN_FIELDS = [
  "system",
  "max_tokens",
  "stop_sequences",
  "thinking",
  "tools",
  "tool_choice",
  "messages",
  "metadata",
  "service_tier",
  "output_config",
];

/** The body of a chat request. Throws ApiError for what can't be had. */
export function toChatBody(wire: WireMessages): Json {
  // Fields of the same name and meaning, and those that nobody knows, go on as they are.
  const rest = Object.fromEntries(Object.entries(wire).filter(([field]) => !OWN_FIELDS.includes(field)));
  const choice = choiceOf(wire.tool_choice);
  return {
    ...rest,
    messages: [...systemOf(wire.system), ...wire.messages.flatMap(messagesOf)],
    ...(wire.max_tokens == null ? {} : { max_tokens: wire.max_tokens }),
    ...(wire.stop_sequences?.length ? { stop: wire.stop_sequences } : {}),
    ...(wire.tools?.length ? { tools: wire.tools.map(toolOf) } : {}),
    tool_choice: choice,
    ...(wire.tool_choice?.disable_parallel_tool_use === true ? { parallel_tool_calls: false } : {}),
    ...effortOf(wire.thinking),
    ...formatOf(wire),
  };
}

function choiceOf(choice: WireMessages["tool_choice"]): unknown {
  switch (choice?.type) {
    case "any":
      return "required";
    case "tool":
      return { type: "function", function: { name: choice.name } };
    default:
      return choice?.type ?? "auto";
  }
}

/** Anthropic's structured output. */
function formatOf({ output_config: config }: WireMessages): Json {
  if (config?.format == null) return {};
  return { response_format: { type: "json_schema", json_schema: { schema: config.format.schema } } };
}

function systemOf(system: WireMessages["system"]): Json[] {
  if (system == null || system.length === 0) return [];
  const text = typeof system === "string" ? system : system.map((block) => block.text).join("");
  return [{ role: "system", content: text }];
}

function messagesOf({ role, content }: WireMessages["messages"][number]): Json[] {
  if (typeof content === "string") return [{ role, content }];
  return role === "user" ? userTurn(content as UserBlock[]) : [assistantTurn(content as AssistantBlock[])];
}

/** Results of tools are messages of their own, before what else the turn says. */
function userTurn(blocks: UserBlock[]): Json[] {
  const out: Json[] = [], parts: Json[] = [];
  for (const block of blocks as (Json & { type: string })[]) {
    if (block.type === "tool_result") {
      const { content, tool_use_id: id, is_error: failed } = block as {
        content?: unknown;
        tool_use_id?: string;
        is_error?: boolean;
      };
      const given = Array.isArray(content)
        ? content.map((part) => partOf(part as Json))
        : [{ type: "text", text: content ?? "" }];
      const said = failed ? [{ type: "text", text: "Error: " }, ...given] : given;
      out.push({ role: "tool", tool_call_id: id, content: said });
    } else parts.push(partOf(block));
  }
  if (parts.length > 0) out.push({ role: "user", content: parts });
  return out;
}

function partOf(block: Json): Json {
  const source = block.source as
    | { type: string; media_type?: string; data?: string; url?: string }
    | undefined;
  if (block.type !== "image" || source === undefined) return block;
  const url = source.type === "base64" ? `data:${source.media_type};base64,${source.data}` : source.url;
  return { type: "image_url", image_url: { url } };
}

function assistantTurn(blocks: AssistantBlock[]): Json {
  let text = "", reasoning = "";
  const calls: Json[] = [];
  for (const block of blocks) {
    if (block.type === "text") text += block.text;
    else if (block.type === "thinking") reasoning += block.thinking;
    else if (block.type === "tool_use") {
      calls.push({
        id: block.id,
        type: "function",
        function: { name: block.name, arguments: JSON.stringify(block.input) },
      });
    }
  }
  return {
    role: "assistant",
    content: text,
    ...(reasoning === "" ? {} : { reasoning }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
}

function toolOf(
  { name, description, input_schema: parameters }: NonNullable<WireMessages["tools"]>[number],
): Json {
  return {
    type: "function",
    function: { name, ...(description == null ? {} : { description }), parameters },
  };
}

function effortOf(thinking: WireMessages["thinking"]): Json {
  switch (thinking?.type) {
    case "enabled":
      return {
        reasoning_effort: (thinking.budget_tokens ?? 0) >= HIGH_BUDGET ? "high" : "medium",
        ...(thinking.budget_tokens == null ? {} : { thinking_token_budget: thinking.budget_tokens }),
      };
    case "disabled":
      return { reasoning_effort: "none" };
    default:
      return {};
  }
}

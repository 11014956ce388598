/** A request in the words of /v1/responses → a chat request's. Nothing is kept between requests. */

import { invalid } from "./errors.ts";
import type { ResponseItem, WireResponses } from "./responses_schema.ts";

type Json = Record<string, unknown>;

const OWN_FIELDS = [
  "input",
  "instructions",
  "max_output_tokens",
  "tools",
  "tool_choice",
  "text",
  "previous_response_id",
  "conversation",
  "background",
  "prompt",
  "include",
  "truncation",
  "max_tool_calls",
];

/** Asked for by SDKs as a matter of course; there is nothing to add for them. */
const HARMLESS_INCLUDES = new Set(["reasoning.encrypted_content"]);

/** The body of a chat request. Throws ApiError for what can't be had. */
export function toChatBody(wire: WireResponses): Json {
  refuse(wire);
  const rest = Object.fromEntries(Object.entries(wire).filter(([field]) => !OWN_FIELDS.includes(field)));
  const { input, instructions, tools } = wire;
  return {
    ...rest,
    messages: [
      ...(instructions == null || instructions === "" ? [] : [{ role: "system", content: instructions }]),
      ...(typeof input === "string" ? [{ role: "user", content: input }] : messagesOf(input)),
    ],
    ...(wire.max_output_tokens == null ? {} : { max_tokens: wire.max_output_tokens }),
    ...(tools?.length ? { tools: tools.map(toolOf) } : {}),
    tool_choice: choiceOf(wire.tool_choice),
    ...formatOf(wire.text?.format),
  };
}

/** `{type: "json_schema", name, schema}` here, nested there. */
function formatOf(format: NonNullable<WireResponses["text"]>["format"]): Json {
  if (format == null || format.type === "text") return {};
  const { type, ...json_schema } = format;
  return { response_format: { type, ...(type === "json_schema" ? { json_schema } : {}) } };
}

function choiceOf(choice: WireResponses["tool_choice"]): unknown {
  if (choice == null) return "auto";
  return typeof choice === "string" ? choice : { type: choice.type, function: { name: choice.name } };
}

function refuse(wire: WireResponses): void {
  const stored = [["previous_response_id", wire.previous_response_id], ["conversation", wire.conversation], [
    "prompt",
    wire.prompt,
  ]];
  for (const [field, value] of stored as [string, unknown][]) {
    if (value != null) {
      throw invalid(`${field}: nothing is stored here; send the whole input`, field, "unsupported_value");
    }
  }
  if (wire.background) throw invalid("background is not supported", "background", "unsupported_value");
  const format = wire.text?.format?.type ?? "text";
  if (!["text", "json_object", "json_schema"].includes(format)) {
    throw invalid(`text.format: ${format.slice(0, 40)} is not supported`, "text.format", "unsupported_value");
  }
  if ((wire.text?.verbosity ?? "medium") !== "medium") {
    throw invalid("text.verbosity: only medium is supported", "text.verbosity", "unsupported_value");
  }
  const include = wire.include?.find((name) => !HARMLESS_INCLUDES.has(name));
  if (include !== undefined) {
    throw invalid(`include: ${include.slice(0, 60)} is not supported`, "include", "unsupported_value");
  }
}

/** A thought, what was said and the calls after it are one assistant turn. */
function messagesOf(items: ResponseItem[]): Json[] {
  const out: Json[] = [];
  /** The assistant's turn that may still grow; a new one where there is none. */
  const turn = (grows: (last: Json) => boolean): Json => {
    const last = out.at(-1);
    if (last?.role === "assistant" && grows(last)) return last;
    const fresh: Json = { role: "assistant", content: "" };
    out.push(fresh);
    return fresh;
  };
  for (const item of items as (Json & { type?: string; role?: string })[]) {
    if (item.type === "reasoning") {
      const text = ((item.content ?? []) as { text: string }[]).map((part) => part.text).join("");
      if (text !== "") turn(() => false).reasoning = text;
    } else if (item.type === "function_call") {
      const { call_id: id, name, arguments: given } = item;
      const open = turn(() => true);
      open.tool_calls = [...(open.tool_calls ?? []) as Json[], {
        id,
        type: "function",
        function: { name, arguments: given },
      }];
    } else if (item.type === "function_call_output") {
      out.push({ role: "tool", tool_call_id: item.call_id, content: contentOf(item.output) });
    } else if (item.role === "assistant") {
      turn((last) => last.content === "" && last.tool_calls === undefined).content = contentOf(item.content);
    } else out.push({ role: item.role, content: contentOf(item.content) });
  }
  return out;
}

function contentOf(content: unknown): unknown {
  if (!Array.isArray(content)) return content;
  return content.map((part) =>
    part.type === "input_image" ? { type: "image_url", image_url: { url: part.image_url } } : part
  );
}

function toolOf({ name, description, parameters }: NonNullable<WireResponses["tools"]>[number]): Json {
  return {
    type: "function",
    function: {
      name,
      ...(description == null ? {} : { description }),
      ...(parameters == null ? {} : { parameters }),
    },
  };
}

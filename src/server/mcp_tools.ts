/** Tools of MCP servers that the operator names: what they offer, and how they are called. */

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

/** Most characters that a result brings into the conversation; where it is cut, the model is told. */
const MOST_TEXT = 64 << 10;
const CONNECT_MS = 10_000;

export interface McpConfig {
  mcpServers: Record<string, { url: string; headers?: Record<string, string> }>;
  /** Rounds of calls in an answer; default 5. */
  maxRounds?: number;
  /** Seconds for one call; default 30. */
  callSeconds?: number;
}

/** A tool as chat requests write it. */
export interface McpTool {
  name: string;
  raw: { type: "function"; function: { name: string; description?: string; parameters: unknown } };
}

export class McpTools {
  readonly #owners = new Map<string, Client>();

  private constructor(
    readonly tools: readonly McpTool[],
    readonly maxRounds: number,
    readonly callMs: number,
    readonly clients: readonly Client[],
  ) {}

  /** Rejects naming the server that can't be had, or the tool that two of them have. */
  static async connect({ mcpServers, maxRounds = 5, callSeconds = 30 }: McpConfig): Promise<McpTools> {
    const found: [McpTool, Client][] = [];
    for (const [name, { url, headers }] of Object.entries(mcpServers)) {
      const client = new Client({ name: "valley-edge", version: "0.1.0" });
      try {
        const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
        await client.connect(transport, { timeout: CONNECT_MS });
        const { tools } = await client.listTools(undefined, { timeout: CONNECT_MS });
        for (const { name, description, inputSchema: parameters } of tools) {
          const raw = { type: "function" as const, function: { name, description, parameters } };
          found.push([{ name, raw }, client]);
        }
      } catch (error) {
        throw new Error(`Cannot use MCP server ${name}: ${error instanceof Error ? error.message : error}`);
      }
    }
    const clients = [...new Set(found.map(([, client]) => client))];
    const made = new McpTools(found.map(([tool]) => tool), maxRounds, callSeconds * 1000, clients);
    for (const [{ name }, client] of found) {
      if (made.#owners.has(name)) throw new Error(`Two MCP servers have a tool ${name}`);
      made.#owners.set(name, client);
    }
    return made;
  }

  has(name: string): boolean {
    return this.#owners.has(name);
  }

  /** The result as text; what went wrong is told the model, not thrown. Rejects only when `signal` aborts. */
  async call(name: string, given: string, signal: AbortSignal): Promise<{ text: string; failed: boolean }> {
    try {
      const result = await this.#owners.get(name)!.callTool(
        { name, arguments: JSON.parse(given) },
        undefined,
        {
          timeout: this.callMs,
          signal,
        },
      );
      const parts = (result.content ?? []) as { type: string; text?: string }[];
      const text = parts.map((part) => part.type === "text" ? part.text ?? "" : `(${part.type})`).join("\n");
      const told = text.length > MOST_TEXT
        ? `${text.slice(0, MOST_TEXT)}\n(cut after ${MOST_TEXT} characters)`
        : text;
      return { text: told, failed: result.isError === true };
    } catch (error) {
      signal.throwIfAborted();
      const why = error instanceof SyntaxError ? "the arguments are not JSON" : "the tool gave no answer";
      return { text: `Error: ${why}`, failed: true };
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.clients.map((client) => client.close().catch(() => {})));
  }
}

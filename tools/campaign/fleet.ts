/** Two servers behind `smg` (deploy/smg/start.sh): affinity, a hot prompt, a drain, a kill. */

import { type Campaign, each, sleep, Tally } from "./campaign.ts";
import { type ServerProcess, startProcess } from "./server_process.ts";
import { freePort, type Router, startRouter } from "./smg.ts";

/** What the two servers run, and how much is asked of them. */
interface Size {
  name: string;
  args: string[];
  prefixes: number;
  /** Requests of each prefix. */
  requests: number;
  words: number;
  /** Requests that share one prompt. */
  hot: number;
  clients: number;
}

const FAKE_SERVERS: Size = {
  name: "fake engine",
  args: ["--engine", "fake", "--engine-options", '{"stepMs":10}'],
  prefixes: 20,
  requests: 10,
  words: 400,
  hot: 200,
  clients: 16,
};
const DEMO_SERVERS: Size = {
  name: "demo model",
  args: [],
  prefixes: 6,
  requests: 5,
  words: 60,
  hot: 40,
  clients: 8,
};

/** Requests after a kill. */
const AFTER_KILL = 20;
/** Streams that are open when a server is killed. */
const STREAMS = 8;

export const fleet: Campaign = {
  id: "issue 7, 7",
  target:
    "two servers behind smg: ≥ 95 % of the requests with one prefix at one server, one prompt of all split no worse than 60/40, 0 new requests failed while one drains, 0 of 20 after a kill -9, its streams end in an error",
  async run(scale) {
    const missed: string[] = [], did: string[] = [], figures: string[] = [];
    for (const size of [FAKE_SERVERS, DEMO_SERVERS]) {
      const scaled = {
        ...size,
        requests: Math.ceil(size.requests * scale),
        hot: Math.ceil(size.hot * scale),
      };
      const { figure, missed: wrong } = await tryFleet(scaled);
      console.log(`  ${size.name}: ${[figure, ...wrong].join("; ")}`);
      const { name, prefixes, requests, hot, clients } = scaled;
      did.push(`${name}: ${prefixes} prefixes × ${requests}, ${hot} with one prompt, ${clients} clients`);
      figures.push(`${name}: ${figure}`);
      missed.push(...wrong.map((miss) => `${name}: ${miss}`));
    }
    return { did: did.join("; "), figures: figures.join("; "), missed };
  },
};

async function tryFleet(size: Size): Promise<{ figure: string; missed: string[] }> {
  const args = [...size.args, "--drain-grace", "5", "--drain-timeout", "20"];
  const ports = [freePort(), freePort()];
  const startAt = (i: number) => startProcess([...args, "--port", String(ports[i])]);
  const servers = [await startAt(0), await startAt(1)];
  const router = await startRouter(servers.map(({ url }) => url));
  try {
    const affinity = await ofPrefixes(router, size);
    const hot = await ofOnePrompt(router, size);
    const drained = await whileDraining(router, servers[0], size);
    servers[0] = await startAt(0);
    await router.healthy(2);
    const killed = await afterKill(router, servers[1], size);
    return {
      figure: [affinity, hot, drained, killed].map(({ figure }) => figure).join(", "),
      missed: [affinity, hot, drained, killed].flatMap(({ missed }) => missed),
    };
  } finally {
    await router.stop();
    await Promise.all(servers.map((server) => server.stop()));
  }
}

interface Part {
  figure: string;
  missed: string[];
}

const words = (count: number, seed: number) =>
  Array.from({ length: count }, (_, i) => `w${seed * 7919 + i * 31}`).join(" ");

function post(router: Router, content: string, extra: Record<string, unknown> = {}): Promise<Response> {
  return fetch(`${router.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    // The router insists on a model's name.
    body: JSON.stringify({
      model: "valley3-demo",
      messages: [{ role: "user", content }],
      max_tokens: 8,
      ...extra,
    }),
  });
}

const serverOf = (response: Response) => response.headers.get("x-smg-routed-worker-id") ?? "none";

/** What a request came to: its server, tokens of the prompt, those that were in the cache. */
async function whole(response: Response): Promise<{ server: string; prompt: number; cached: number }> {
  const body = await response.json();
  if (response.status !== 200) throw new Error(`status ${response.status}: ${JSON.stringify(body)}`);
  const { prompt_tokens, prompt_tokens_details } = body.usage;
  return { server: serverOf(response), prompt: prompt_tokens, cached: prompt_tokens_details.cached_tokens };
}

async function ofPrefixes(router: Router, { prefixes, requests, words: length }: Size): Promise<Part> {
  const places = Array.from({ length: prefixes }, () => new Tally());
  const seen = new Map<number, Set<string>>();
  let prompt = 0, cached = 0;
  // By turns, so that no prefix comes in one run.
  const order = Array.from({ length: prefixes * requests }, (_, i) => ({ prefix: i % prefixes, i }));
  await each(order, 4, async ({ prefix, i }) => {
    const answer = await whole(await post(router, `${words(length, prefix)} question ${i}`));
    places[prefix].add(answer.server);
    const servers = seen.get(prefix) ?? new Set();
    if (servers.size > 0) {
      prompt += answer.prompt;
      cached += answer.cached;
    }
    seen.set(prefix, servers.add(answer.server));
  });
  const right = places.reduce(
    (sum, tally, i) => sum + Math.max(...[...seen.get(i)!].map((name) => tally.of(name))),
    0,
  );
  const all = prefixes * requests;
  return {
    figure:
      `${right} of ${all} at their prefix's server (${
        (100 * cached / prompt).toFixed(0)
      } % of the later prompts' ` +
      `tokens cached)`,
    missed: right < 0.95 * all ? [`${right} of ${all} at their prefix's server`] : [],
  };
}

async function ofOnePrompt(router: Router, { hot, clients, words: length }: Size): Promise<Part> {
  const places = new Tally(), names = new Set<string>();
  const shared = words(length, 1000);
  await each(Array.from({ length: hot }, (_, i) => i), clients, async (i) => {
    const { server } = await whole(await post(router, `${shared} say ${5 + i % 7} words`));
    places.add(server);
    names.add(server);
  });
  const counts = [...names].map((name) => places.of(name)).sort((a, b) => b - a);
  return {
    figure: `one prompt split ${counts.join("/")}`,
    missed: counts[0] > 0.6 * hot ? [`one prompt split ${counts.join("/")}`] : [],
  };
}

/** New requests from 4 clients that pause 0.1 s, until a while after the server has gone. */
async function whileDraining(router: Router, server: ServerProcess, { words: length }: Size): Promise<Part> {
  const statuses = new Tally();
  let over = false, sent = 0;
  const asking = each([0, 1, 2, 3], 4, async (client) => {
    while (!over) {
      const response = await post(router, `${words(length, client)} request ${sent++}`).catch(() => null);
      await response?.body?.cancel();
      statuses.add(response?.status ?? "broken");
      await sleep(100);
    }
  });
  await sleep(1000);
  server.signal("SIGTERM");
  const code = await server.ended;
  await sleep(2000);
  over = true;
  await asking;
  const good = statuses.of(200);
  return {
    figure: `${good} of ${sent} answered while one drained`,
    missed: good === sent && code === 0 ? [] : [`while one drained, exit ${code}: ${statuses}`],
  };
}

async function afterKill(router: Router, server: ServerProcess, { words: length }: Size): Promise<Part> {
  const open = await Promise.all(
    Array.from({ length: STREAMS }, async (_, i) => {
      const extra = { stream: true, max_tokens: 600, ignore_eos: true };
      const response = await post(router, `${words(length, 2000 + i)} forever`, extra);
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
      await reader.read();
      return { server: serverOf(response), reader };
    }),
  );
  server.signal("SIGKILL");
  const answered = new Tally();
  for (let i = 0; i < AFTER_KILL; i++) {
    const response = await post(router, `${words(length, i)} after`).catch(() => null);
    await response?.body?.cancel();
    answered.add(response?.status ?? "broken");
  }
  const ends = new Tally();
  await Promise.all(open.map(async ({ server: name, reader }) => {
    const mine = new URL(name).port === String(server.port);
    ends.add(`${mine ? "its" : "other"} ${await endOf(reader)}`);
  }));
  const its = ends.of("its error"), missed: string[] = [];
  if (answered.of(200) !== AFTER_KILL) missed.push(`after the kill: ${answered}`);
  if (its === 0 || its + ends.of("other finished") !== STREAMS) {
    missed.push(`streams after the kill: ${ends}`);
  }
  return { figure: `${answered.of(200)} of ${AFTER_KILL} after a kill -9, streams: ${ends}`, missed };
}

/** `error`: an event says so; `finished`: with a reason; else it just stops. */
async function endOf(reader: ReadableStreamDefaultReader<string>): Promise<string> {
  let text = "";
  try {
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) text += piece.value;
  } catch {
    return "broken off";
  }
  if (/^data: \{"error"/m.test(text)) return "error";
  return /"finish_reason":"(stop|length)"/.test(text) ? "finished" : "stopped";
}

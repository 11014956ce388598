/** The router `smg` as deploy/smg/start.sh starts it. */

import { pythonWith } from "./python.ts";
import { sleep } from "./campaign.ts";

const START = new URL("../../deploy/smg/start.sh", import.meta.url).pathname;

export interface Router {
  url: string;
  /** Waits until the router holds so many servers for healthy. */
  healthy(servers: number): Promise<void>;
  stop(): Promise<void>;
}

/** Ready when it holds all servers for healthy. Rejects when it does not get so far. */
export async function startRouter(servers: string[]): Promise<Router> {
  const python = await pythonWith(["smg==1.13.0"]);
  const folder = python.slice(0, python.lastIndexOf("/"));
  const port = freePort();
  const child = new Deno.Command("sh", {
    args: [START, ...servers],
    env: {
      PATH: `${folder}:${Deno.env.get("PATH")}`,
      SMG_PORT: String(port),
      SMG_METRICS_PORT: String(freePort()),
    },
    stdout: "null",
    stderr: "null",
  }).spawn();
  let over = false;
  const ended = child.status.then(() => void (over = true));
  const router: Router = {
    url: `http://127.0.0.1:${port}`,
    async healthy(servers) {
      for (let i = 0; i < 1200 && !over; i++) {
        if (await healthyServers(router.url) === servers) return;
        await sleep(100);
      }
      throw new Error(over ? "smg has ended" : `smg does not hold ${servers} servers for healthy`);
    },
    async stop() {
      if (!over) child.kill("SIGTERM");
      await ended;
    },
  };
  try {
    await router.healthy(servers.length);
    return router;
  } catch (error) {
    await router.stop();
    throw error;
  }
}

async function healthyServers(url: string): Promise<number> {
  try {
    const { workers } = await fetch(`${url}/workers`).then((response) => response.json());
    return workers.filter(({ is_healthy }: { is_healthy: boolean }) => is_healthy).length;
  } catch {
    return 0;
  }
}

export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

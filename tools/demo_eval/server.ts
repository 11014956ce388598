/** A server of this project as a child process, on a port of its own. */

export interface Server {
  url: string;
  stop(): Promise<void>;
}

/** Starts `valley serve --model folder` and waits until it answers. @throws Error when it ends or takes two minutes. */
export async function startServer(project: string, model: string): Promise<Server> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--quiet",
      `${project}tools/setup/launch.ts`,
      "start",
      "--model",
      model,
      "--port",
      String(port),
    ],
    cwd: project,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const url = `http://127.0.0.1:${port}`;
  let ended = false;
  void child.status.then(() => ended = true);
  for (let i = 0; i < 600 && !ended; i++) {
    try {
      const response = await fetch(`${url}/health`);
      await response.body?.cancel();
      if (response.ok) return { url, stop: () => stop(child) };
    } catch {
      // Not listening yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  if (!ended) await stop(child);
  throw new Error(`Cannot start the server on ${model}`);
}

async function stop(child: Deno.ChildProcess): Promise<void> {
  child.kill("SIGTERM");
  await child.status;
}

/** Helpers for tests that start the real server as a process. */

/** A port that nothing listens on now. */
export function chooseFreePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  return port;
}

/** Waits until the address answers with that status (0: nothing listens there). @returns whether it did in time. */
export async function waitForStatus(url: string, status: number, seconds: number): Promise<boolean> {
  for (const end = Date.now() + seconds * 1000; Date.now() < end;) {
    const got = await fetch(url).then((r) => r.body?.cancel().then(() => r.status), () => 0);
    if (got === status) return true;
    await new Promise((done) => setTimeout(done, 100));
  }
  return false;
}

/** Installs Debian packages as root, quietly; the log is shown only when something fails. */

export interface AptResult {
  ok: boolean;
  /** Last lines of apt's output, for the error message. */
  tail: string;
}

/** Runs one apt-get command. Replaced in tests. */
export type RunApt = (args: string[]) => Promise<AptResult>;

const OPTIONS = ["-y", "-q", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"];

/**
 * Installs the packages. The package lists are fetched first only where they are missing or do not know a package;
 * where they turn out to be stale (a 404), they are fetched and the install is tried once more.
 */
export async function aptInstall(
  packages: string[],
  haveLists: boolean,
  run: RunApt = runApt,
): Promise<AptResult> {
  const install = () => run(["install", ...OPTIONS, "--no-install-recommends", ...packages]);
  if (haveLists) {
    const first = await install();
    if (first.ok) return first;
  }
  const update = await run(["update", ...OPTIONS]);
  // A broken third-party source makes update fail while Debian's own lists are fine: the install decides.
  const last = await install();
  return last.ok || update.ok ? last : { ok: false, tail: `${update.tail}\n${last.tail}` };
}

/** Whether apt has package lists at all (fresh containers have none). */
export function haveAptLists(folder = "/var/lib/apt/lists"): boolean {
  try {
    return [...Deno.readDirSync(folder)].some((entry) => entry.name.includes("_Packages"));
  } catch {
    return false;
  }
}

async function runApt(args: string[]): Promise<AptResult> {
  const { success, stdout, stderr } = await new Deno.Command("apt-get", {
    args,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C.UTF-8" },
  }).output();
  const decoder = new TextDecoder();
  const lines = `${decoder.decode(stdout)}\n${decoder.decode(stderr)}`.split("\n").filter((line) =>
    line.trim()
  );
  return { ok: success, tail: lines.slice(-8).join("\n") };
}

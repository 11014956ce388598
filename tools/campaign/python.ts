/** PyPI packages in a virtual environment outside the tree. */

/** Path of its python; made where it is missing. Rejects with what pip said. */
export async function pythonWith(packages: string[]): Promise<string> {
  const folder = `${Deno.env.get("TMPDIR") || "/tmp"}/valley-campaign-venv`;
  const python = `${folder}/bin/python`;
  const run = async (program: string, args: string[]) => {
    const { success, stderr } = await new Deno.Command(program, { args, stdout: "null", stderr: "piped" })
      .output();
    if (!success) {
      throw new Error(`${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr).slice(-400)}`);
    }
  };
  if (!await Deno.stat(python).then(() => true, () => false)) await run("python3", ["-m", "venv", folder]);
  await run(python, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...packages]);
  return python;
}

/** A Python with what the question maker needs (numpy, Pillow), in a virtual environment of its own. */
import { aptInstall, haveAptLists } from "../setup/apt.ts";

const NEEDED = ["numpy", "pillow"];

/** Lines of a requirements file that pin the needed packages. */
export function pins(requirements: string): string[] {
  return NEEDED.map((name) => {
    const line = requirements.split("\n").map((l) => l.trim()).find((l) =>
      l.toLowerCase().startsWith(`${name}==`)
    );
    if (!line) throw new Error(`Cannot find a pinned ${name} in requirements.txt`);
    return line;
  });
}

/** @returns the path of its python. @throws Error with the command that a person can run. */
export async function evalPython(requirementsFile: string): Promise<string> {
  const wanted = pins(await Deno.readTextFile(requirementsFile));
  const home = Deno.env.get("XDG_CACHE_HOME") || `${Deno.env.get("HOME") || "/tmp"}/.cache`;
  const folder = `${home}/valley/eval-${wanted.join("-").replaceAll("==", "-")}`;
  const python = `${folder}/bin/python`;
  if (await works(python)) return python;
  if (!await runs("python3", ["-m", "venv", folder])) {
    const installed = Deno.build.os === "linux" && Deno.uid() === 0 &&
      (console.error("set-up: installing python3-venv: makes the demo model's test questions"),
        (await aptInstall(["python3-venv"], haveAptLists())).ok);
    if (!installed || !await runs("python3", ["-m", "venv", folder])) {
      throw new Error(
        "Cannot make a Python environment. Debian and Ubuntu: sudo apt-get install -y python3-venv",
      );
    }
  }
  console.error(`set-up: ${wanted.join(", ")} for the question maker`);
  const ok = await runs(python, [
    "-m",
    "pip",
    "install",
    "--quiet",
    "--disable-pip-version-check",
    ...wanted,
  ]);
  if (!ok || !await works(python)) throw new Error(`Cannot install ${wanted.join(", ")} with pip`);
  return python;
}

const works = (python: string): Promise<boolean> => runs(python, ["-c", "import numpy, PIL"]);

async function runs(command: string, args: string[]): Promise<boolean> {
  try {
    const child = new Deno.Command(command, { args, stdin: "null", stdout: "null", stderr: "null" });
    return (await child.output()).success;
  } catch {
    return false;
  }
}

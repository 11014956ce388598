/** Holds the tree to the dependency rules of `support/architecture_rules.ts`, and shows that each rule can fail. */

import { deepStrictEqual as same, ok, strictEqual as equal } from "node:assert";
import { basename, resolve } from "node:path";
import * as registry from "../src/gpu/kernels.ts";
import { breaches, SOFT_LINES } from "./support/architecture_rules.ts";
import { importsOf, readSources } from "./support/source_tree.ts";

const ROOT = resolve(import.meta.dirname ?? ".", "..");
/** Known departures, each to be mended. */
const DEPARTURES: string[] = [];

Deno.test("the tree keeps the dependency rules", () => {
  const sources = readSources(ROOT, ["main.ts", "src", "tools", "wgsl"]);
  ok(sources.size > 30, `only ${sources.size} files found under ${ROOT}`);
  const long = [...sources].filter(([path, text]) => {
    return text.split("\n").length - 1 > SOFT_LINES[path.endsWith(".wgsl") ? "wgsl" : "ts"];
  });
  for (const [path, text] of long) console.log(`long: ${path} (${text.split("\n").length - 1} lines)`);
  same(breaches(sources).filter((line) => !DEPARTURES.includes(line)), []);
});

Deno.test("every WGSL file is one registered kernel of the same name, or a part of one, and the other way round", () => {
  const files = readSources(ROOT, ["wgsl"]);
  const isPart = (path: string) => path.startsWith("wgsl/parts/");
  const inFiles = [...files.keys()].filter((path) => !isPart(path)).map((path) => basename(path, ".wgsl"))
    .sort();
  const unused = new Set([...files.keys()].filter(isPart));
  const kernels = Object.entries(registry as Record<string, unknown>).filter(([, value]) =>
    isKernel(value)
  ) as [
    string,
    { name: string; wgsl: string },
  ][];
  same(kernels.map(([, kernel]) => kernel.name).sort(), inFiles);
  for (const [exported, kernel] of kernels) {
    const own = files.get(`wgsl/${kernel.name}.wgsl`)!;
    equal(kernel.wgsl.slice(0, own.length), own, `${kernel.name} has another file's text`);
    for (let rest = kernel.wgsl.slice(own.length); rest !== "";) {
      const part = [...files].find(([path, text]) => isPart(path) && rest.startsWith(`\n${text}`));
      if (part === undefined) {
        throw new Error(`${kernel.name} ends with what is no part: ${rest.slice(0, 80)}`);
      }
      unused.delete(part[0]);
      rest = rest.slice(part[1].length + 1);
    }
    equal(exported, kernel.name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase()), "name of the export");
  }
  same([...unused], [], "parts that no kernel has");
});

function isKernel(value: unknown): boolean {
  return typeof value === "object" && value !== null && "name" in value && "wgsl" in value;
}

/** Breaches of a tree with one file more. */
function breachesOf(path: string, text: string, others: Record<string, string> = {}): string[] {
  return breaches(new Map([[path, text], ...Object.entries(others)]));
}

Deno.test("each rule can fail", () => {
  const bad: [string, string, RegExp][] = [
    ["src/server/a.ts", `import { A } from "../model/a.ts";`, /server may not import model/],
    ["src/server/a.ts", `import { A } from "../families/registry.ts";`, /server may not import registry/],
    ["src/engine/a.ts", `import { A } from "../server/a.ts";`, /engine may not import server/],
    [
      "src/engine/a.ts",
      `import { A } from "../families/valley3/model.ts";`,
      /engine may not import families/,
    ],
    ["src/prompt/a.ts", `import { A } from "../gpu/tensor.ts";`, /prompt may not import gpu/],
    [
      "src/model/a.ts",
      `import a from "../../wgsl/a.wgsl" with { type: "text" };`,
      /model may not import wgsl/,
    ],
    ["src/gpu/a.ts", `import { A } from "../model/a.ts";`, /gpu may not import model/],
    ["src/families/valley3/a.ts", `import { A } from "../valley2/a.ts";`, /never imports another's folder/],
    ["src/families/valley3/a.ts", `import { A } from "../../gpu/device.ts";`, /only through/],
    ["main.ts", `import { A } from "./src/families/valley3/model.ts";`, /main may not import families/],
    ["main.ts", `import { Hono } from "hono";`, /only src\/server may/],
    ["src/engine/a.ts", `const a = await import("../server/a.ts");`, /engine may not import server/],
    ["src/engine/a.ts", `new Worker(new URL("../gpu/a.ts", import.meta.url));`, /engine may not import gpu/],
    ["src/engine/a.ts", `import { z } from "@hono/zod-openapi";`, /only src\/server may/],
    ["src/model/a.ts", `const d: GPUDevice = x;`, /names GPUDevice/],
    ["src/server/a.ts", `const a = navigator.gpu;`, /names navigator.gpu/],
    ["src/server/a.ts", `const a = Deno.env.get("A");`, /only main.ts may/],
    ["src/engine/a.ts", `let count = 0;`, /global that changes/],
    ["src/engine/a.ts", `export * from "./b.ts";\nexport { C } from "./c.ts";`, /only re-exports/],
    ["src/secrets/a.ts", `import { A } from "./b.ts";`, /does not know this folder/],
    ["src/engine/a.ts", `import { A } from "../../tests/a.ts";`, /no part of the program/],
    ["tools/setup/a.ts", `import { A } from "../../src/engine/a.ts";`, /setup may not import engine/],
    ["src/engine/a.ts", "\n".repeat(401), /401 lines/],
    ["wgsl/a.wgsl", "\n".repeat(251), /251 lines/],
  ];
  for (const [path, text, expected] of bad) {
    const found = breachesOf(path, text);
    equal(found.length, 1, `${path}: ${text.trim()} gave ${JSON.stringify(found)}`);
    ok(expected.test(found[0]), `${found[0]} is not ${expected}`);
  }
  const cycle = breachesOf("src/engine/a.ts", `import "./b.ts";`, { "src/engine/b.ts": `import "./a.ts";` });
  same(cycle, ["import cycle: src/engine/a.ts → src/engine/b.ts → src/engine/a.ts"]);
});

Deno.test("what the rules allow passes, comments and strings included", () => {
  const good: [string, string][] = [
    ["main.ts", `import { serve } from "./src/server/app.ts";\nDeno.env.get("PORT");`],
    ["src/server/a.ts", `import { Hono } from "hono";\nimport type { A } from "../families/family.ts";`],
    [
      "src/engine/a.ts",
      `// GPUDevice lives elsewhere\nconst a = "navigator.gpu Deno.env";\n/* import "../gpu/a.ts" */`,
    ],
    ["src/families/valley3/a.ts", `import { A } from "../../model/a.ts";\nimport { B } from "../family.ts";`],
    [
      "src/gpu/kernels.ts",
      `import a from "../../wgsl/a.wgsl" with { type: "text" };\nconst d: GPUDevice = x;`,
    ],
    ["tools/golden/a.ts", `import { A } from "../../src/gpu/device.ts";`],
  ];
  for (const [path, text] of good) same(breachesOf(path, text), [], text);
});

Deno.test("imports are read in all their forms", () => {
  const text = `import a, { b } from "./b.ts";\nimport type { C } from "./c.ts";\nimport "./d.ts";
import {\n  e,\n} from "npm:e";\nexport { f } from "./f.ts";\nconst g = await import("./g.ts");\n// import "./no.ts"`;
  same(importsOf("src/x/a.ts", text).map((item) => [item.to, item.typeOnly]), [
    ["src/x/b.ts", false],
    ["src/x/c.ts", true],
    ["src/x/d.ts", false],
    ["npm:e", false],
    ["src/x/f.ts", false],
    ["src/x/g.ts", false],
  ]);
});

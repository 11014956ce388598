/**
 * Must show 5: how many schemas compile, and whether every finished answer is valid. Schemas of the JSON Schema Test
 * Suite (npm json-schema-test-suite, draft 4), and 300 of the team's own; answers are drawn at random by the grammar.
 */

import { createRequire } from "node:module";
import { dirname } from "node:path";
import { Grammars } from "../../src/engine/grammar/grammars.ts";
import { type Campaign, randomFrom, Tally } from "./campaign.ts";
import { ownSchemas } from "./own_schemas.ts";
import { BYTES, walkSchema } from "./schema_walk.ts";

const WALKS = 4;

export const schemas: Campaign = {
  id: "Must show 5",
  target: "share that compiles is told, the others get their 400; every finished answer is valid by ajv",
  async run(scale) {
    const all = [...suiteSchemas(), ...ownSchemas()], random = randomFrom(11);
    const taken = all.slice(0, Math.max(10, Math.round(all.length * scale)));
    const grammars = new Grammars(BYTES);
    const outcomes = new Tally(), reasons = new Tally(), missed: string[] = [];
    let compiled = 0, slowest = 0;
    try {
      for (const schema of taken) {
        const before = performance.now();
        const walks = await walkSchema(grammars, schema, WALKS, random);
        slowest = Math.max(slowest, performance.now() - before);
        if (walks[0].outcome === "refused") {
          reasons.add(walks[0].path.split(/[.[]/).at(-1) || walks[0].message.slice(0, 30));
          continue;
        }
        compiled++;
        for (const walk of walks) {
          outcomes.add(walk.outcome);
          if (walk.outcome === "invalid") missed.push(`${JSON.stringify(schema)} gave ${walk.text}`);
        }
      }
    } finally {
      grammars.end();
    }
    const share = (100 * compiled / taken.length).toFixed(0);
    return {
      did: `${taken.length} schemas, ${WALKS} random answers of each that compiles`,
      figures: `${compiled} compile (${share} %); answers ${outcomes}; refused for ${reasons}`,
      missed,
    };
  },
};

function suiteSchemas(): unknown[] {
  const folder = `${dirname(createRequire(import.meta.url).resolve("json-schema-test-suite"))}/tests/draft4`;
  const found = new Map<string, unknown>();
  const read = (path: string) => {
    for (const entry of [...Deno.readDirSync(path)].sort((a, b) => a.name < b.name ? -1 : 1)) {
      if (entry.isDirectory) read(`${path}/${entry.name}`);
      else if (entry.name.endsWith(".json")) {
        for (const { schema } of JSON.parse(Deno.readTextFileSync(`${path}/${entry.name}`))) {
          found.set(JSON.stringify(schema), schema);
        }
      }
    }
  };
  read(folder);
  return [...found.values()];
}

/** The golden runners on the fixtures that the repository carries, and on folders that are not right. */

import { runPreprocessAudio } from "../../tools/golden/preprocess_audio.ts";
import { runPreprocessImage } from "../../tools/golden/preprocess_image.ts";
import { runPreprocessVideo } from "../../tools/golden/preprocess_video.ts";
import { runPrompts } from "../../tools/golden/prompts.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";

const FIXTURES = new URL("../fixtures/valley3/", import.meta.url).pathname;

Deno.test("golden pictures: the official pixel values, exactly", async () => {
  const { lines, failures } = await runPreprocessImage(`${FIXTURES}preprocess-image`);
  assertEquals(failures, []);
  const compared = lines.filter((line) => line.includes("nmse"));
  assertEquals(compared.length, 23);
  assertEquals(compared.filter((line) => !line.includes("nmse 0.0e+0, max 0.0e+0, 0.00% differ")), []);
});

Deno.test("golden sounds: the official log-mel", async () => {
  const { lines, failures } = await runPreprocessAudio(`${FIXTURES}preprocess-audio`);
  assertEquals(failures, []);
  assertEquals(lines.filter((line) => line.includes("mel nmse")).length, 6);
});

Deno.test("golden videos: the official frames", async () => {
  assertEquals(await runPreprocessVideo(`${FIXTURES}preprocess-video`), {
    name: `${FIXTURES}preprocess-video`,
    lines: ["48 of 48 rows exact"],
    failures: [],
  });
});

Deno.test("golden prompts: text byte for byte, ids one for one", async () => {
  const { lines, failures } = await runPrompts(`${FIXTURES}prompts`);
  assertEquals(failures, []);
  assertEquals(lines.length, 17 + 5);
});

const RUNNERS: [string, (dir: string) => Promise<{ failures: string[] }>][] = [
  ["preprocess-image", runPreprocessImage],
  ["preprocess-audio", runPreprocessAudio],
  ["preprocess-video", runPreprocessVideo],
  ["prompts", runPrompts],
];

/** A temporary copy of a fixture folder, changed by `change`. */
async function altered(
  kind: string,
  change: (dir: string) => void,
  use: (dir: string) => Promise<void>,
): Promise<void> {
  const dir = Deno.makeTempDirSync();
  try {
    for (const { name } of Deno.readDirSync(FIXTURES + kind)) {
      Deno.copyFileSync(`${FIXTURES}${kind}/${name}`, `${dir}/${name}`);
    }
    change(dir);
    await use(dir);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

// deno-lint-ignore no-explicit-any
function editCase(dir: string, edit: (json: any) => void): void {
  const json = JSON.parse(Deno.readTextFileSync(`${dir}/case.json`));
  edit(json);
  Deno.writeTextFileSync(`${dir}/case.json`, JSON.stringify(json));
}

for (const [kind, run] of RUNNERS) {
  Deno.test(`golden ${kind}: a folder that is not one fails`, async () => {
    const attempt = async (dir: string) => await run(dir);
    await assertThrows(() => attempt(`${FIXTURES}nowhere`), /Cannot read/);
    await assertThrows(
      () => attempt(FIXTURES + (kind === "prompts" ? "preprocess-video" : "prompts")),
      /its kind is/,
    );
    await altered(kind, (dir) => editCase(dir, (json) => json.family = "valley9"), async (dir) => {
      await assertThrows(() => attempt(dir), /family valley9 is not known/);
    });
    await altered(kind, (dir) =>
      editCase(dir, (json) => {
        for (const key of ["cases", "rows"]) if (json[key] !== undefined) json[key] = [];
      }), async (dir) => {
      await assertThrows(() => attempt(dir), /missing or empty/);
    });
  });
}

Deno.test("golden pictures: wrong sums, sizes, missing files and values without a case fail", async () => {
  await altered("preprocess-image", (dir) => {
    editCase(dir, (json) => {
      json.cases[0].decoded_sum++;
      json.cases[3].resized = [64, 96];
      json.cases.splice(5, 1);
      json.cases.at(-1).refused = false;
    });
    Deno.removeSync(`${dir}/plain.bmp`);
  }, async (dir) => {
    const { failures } = await runPreprocessImage(dir);
    const all = failures.join("\n");
    for (
      const pattern of [
        /decoded_sum/,
        /odd-131x77\.png small: resized/,
        /belongs to no case/,
        /plain\.bmp/,
        /strip/,
      ]
    ) {
      assert(pattern.test(all), `${pattern} in ${all}`);
    }
  });
});

Deno.test("golden prompts: a changed id, text or run fails", async () => {
  await altered("prompts", (dir) => {
    editCase(dir, (json) => {
      json.cases[0].ids[3]++;
      json.cases[1].prompt += " ";
    });
    const path = `${dir}/audio_in_video.json`;
    const json = JSON.parse(Deno.readTextFileSync(path));
    json.rows[0].runs[0][1]++;
    Deno.writeTextFileSync(path, JSON.stringify(json));
  }, async (dir) => {
    const { failures } = await runPrompts(dir);
    assertEquals(failures.filter((failure) => failure.startsWith("user-string")).length, 2);
    assertEquals(failures.filter((failure) => failure.startsWith("system ")).length, 2);
    assertEquals(failures.filter((failure) => failure.startsWith("audio_in_video 0")).length, 1);
  });
});

Deno.test("golden videos and sounds: a changed figure fails", async () => {
  await altered(
    "preprocess-video",
    (dir) => editCase(dir, (json) => json.rows[2].indices[3]++),
    async (dir) => {
      assertEquals((await runPreprocessVideo(dir)).failures.length, 1);
    },
  );
  await altered("preprocess-audio", (dir) =>
    editCase(dir, (json) => {
      json.cases[1].frames++;
      json.token_lengths[7][1]++;
    }), async (dir) => {
    assertEquals((await runPreprocessAudio(dir)).failures.length, 2);
  });
});

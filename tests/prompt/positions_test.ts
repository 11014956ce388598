import fc from "fast-check";
import { audioTokens } from "../../src/prompt/audio_tokens.ts";
import { expandPlaceholders, interleave, type Placeholder } from "../../src/prompt/expand.ts";
import { type Grid, mropePositions } from "../../src/prompt/positions.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";

const GOLDEN = JSON.parse(
  Deno.readTextFileSync(new URL("../fixtures/valley3/positions.json", import.meta.url)),
).cases;

// deno-lint-ignore no-explicit-any
for (const row of GOLDEN as any[]) {
  Deno.test(`positions of the golden case ${row.case}, exactly`, () => {
    const rope = mropePositions(row.ids, row.tokens, {
      images: row.image_grids,
      videos: row.video_grids.map((grid: Grid, i: number) => ({
        grid,
        secondPerGrid: row.seconds_per_grid[i] ?? 1,
      })),
      audios: row.mel_frames.map((frames: number) => audioTokens(frames)),
      mergeSize: 2,
      positionIdPerSeconds: row.position_id_per_seconds,
    });
    const plain = Float32Array.from({ length: 3 * row.ids.length }, (_, i) => i % row.ids.length);
    assertEquals(rope?.positions ?? plain, Float32Array.from(row.positions.flat()));
    assertEquals(rope?.ropeDelta ?? 0, row.rope_delta);
  });
}

const TOKENS = { image: 1, video: 2, audio: 3, visionStart: 4, audioStart: 5, audioEnd: 6 };
const RULES = { mergeSize: 2, positionIdPerSeconds: 25 };

Deno.test("after a video with sound the positions go on from its tail (worked by hand in VALLEY3.md)", () => {
  const ids = [9, 9, 9, 9, 4, 5, ...Array(24).fill(2), ...Array(5).fill(3), 6, 7];
  const { positions, ropeDelta } = mropePositions(ids, TOKENS, {
    ...RULES,
    images: [],
    videos: [{ grid: [1, 4, 24], secondPerGrid: 2 }],
    audios: [5],
  })!;
  const time = [...positions.subarray(0, ids.length)];
  assertEquals(time.slice(0, 8), [0, 1, 2, 3, 4, 5, 6, 6]);
  assertEquals(time.slice(-7), [6, 7, 8, 9, 10, 11, 12]);
  assertEquals(Math.max(...positions), 17);
  assertEquals(ropeDelta, 18 - ids.length);
});

Deno.test("media and prompt that disagree are refused", async () => {
  const one: Grid = [1, 2, 2];
  const media = { ...RULES, images: [one], videos: [], audios: [] };
  await assertThrows(() => mropePositions([1, 1], TOKENS, media), /a picture too many/);
  await assertThrows(() => mropePositions([9], TOKENS, media), /disagree/);
  assertEquals(mropePositions([4, 5, 2, 3], TOKENS, { ...media, images: [] }), null);
  await assertThrows(
    () =>
      mropePositions([4, 5, 2], TOKENS, { ...media, images: [], videos: [{ grid: one, secondPerGrid: 1 }] }),
    /a sound too many/,
  );
  await assertThrows(
    () => mropePositions([1], TOKENS, { ...media, images: [[1, 4, 4]] }),
    /more tokens than/,
  );
});

const placeholder = (kind: Placeholder["kind"], media: number): fc.Arbitrary<Placeholder> =>
  kind === "video-with-audio"
    ? fc.record({
      grids: fc.integer({ min: 1, max: 6 }),
      per: fc.integer({ min: 1, max: 9 }),
      sound: fc.integer({ min: 1, max: 80 }),
      step: fc.constantFrom(0.5, 6.5, 13, 26),
    })
      .map(({ grids, per, sound, step }) => ({
        kind,
        media,
        tokens: grids * per,
        tokensPerGrid: per,
        timePerGrid: step,
        audioMedia: media + 1,
        audioTokens: sound,
      }))
    : fc.integer({ min: 1, max: 40 }).map((tokens) => ({ kind, media, tokens }));

Deno.test("expansion: spans cover each medium's tokens once and in order, other ids stay", () => {
  const kinds = fc.array(fc.constantFrom("image", "video", "audio", "video-with-audio"), { maxLength: 5 });
  const prompt = (kinds as fc.Arbitrary<Placeholder["kind"][]>).chain((list) => {
    let media = 0;
    return fc.tuple(
      ...list.map((kind) => placeholder(kind, kind === "video-with-audio" ? (media += 2) - 2 : media++)),
    );
  });
  fc.assert(
    fc.property(prompt, (placeholders: Placeholder[]) => {
      const ids = placeholders.flatMap((
        { kind },
      ) => [50, kind === "image" ? 1 : kind === "audio" ? 3 : 2, 51]);
      const { ids: out, spans } = expandPlaceholders(ids, placeholders, TOKENS);
      assertEquals([...out].filter((id) => id >= 50), ids.filter((id) => id >= 50));
      const want = new Map<number, number>();
      for (const one of placeholders) {
        want.set(one.media, one.tokens);
        if (one.kind === "video-with-audio") want.set(one.audioMedia, one.audioTokens);
      }
      const seen = new Map<number, number>();
      let end = 0;
      for (const { media, start, length, offset } of spans) {
        assert(start >= end && length > 0, "spans follow each other");
        end = start + length;
        assertEquals(offset, seen.get(media) ?? 0);
        seen.set(media, offset + length);
        for (let i = start; i < end; i++) assert(out[i] <= 3 && out[i] === out[start]);
      }
      assertEquals(seen, want);
      assertEquals(
        spans.reduce((sum, { length }) => sum + length, 0),
        [...out].filter((id) => id <= 3).length,
      );
    }),
    { numRuns: 500, seed: 6 },
  );
});

Deno.test("expansion: a missing, extra or other placeholder is refused", async () => {
  const image: Placeholder = { kind: "image", media: 0, tokens: 2 };
  for (
    const [ids, placeholders] of [[[1, 1], [image]], [[9], [image]], [[2], [image]]] as [
      number[],
      Placeholder[],
    ][]
  ) {
    await assertThrows(() => expandPlaceholders(ids, placeholders, TOKENS), /media and prompt disagree/);
  }
});

Deno.test("interleaving: the video comes first on ties, what is left follows", () => {
  const runs = (tokens: number, tokensPerGrid: number, timePerGrid: number, audioTokens: number) =>
    interleave({ tokens, tokensPerGrid, timePerGrid, audioTokens }).map(({ stream, length }) =>
      stream[0] + length
    ).join(" ");
  assertEquals(runs(8, 4, 2, 3), "v4 a2 v4 a1");
  assertEquals(runs(8, 4, 100, 3), "v4 a3 v4");
  assertEquals(runs(4, 4, 1, 0), "v4");
});

Deno.test("audio tokens: a tail of no frames has none, every chunk thirteen", () => {
  assertEquals([0, 1, 8, 9, 99, 100, 101, 3000].map(audioTokens), [0, 1, 1, 2, 13, 13, 14, 390]);
});

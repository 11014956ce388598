import { crc32, deflateSync } from "node:zlib";
import { PromptError } from "../../src/families/family.ts";
import { decodeImage } from "../../src/prompt/image.ts";
import { orient, toRgb } from "../../src/prompt/pixels.ts";
import { assert, assertEquals } from "../support/assert.ts";

const FOLDER = new URL("../fixtures/media/images/", import.meta.url);
const EXPECTED = JSON.parse(Deno.readTextFileSync(new URL("expected.json", FOLDER)));
const read = (name: string): Uint8Array => Deno.readFileSync(new URL(name, FOLDER));
const base64 = (text: string): Uint8Array => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

/** The PromptError's code, or "decoded". */
async function outcome(bytes: Uint8Array): Promise<string | null> {
  try {
    await decodeImage(bytes);
    return "decoded";
  } catch (error) {
    assert(error instanceof PromptError, String(error));
    assert(!/0x[0-9a-f]{6}|\/|at .*\.ts|wasm/i.test(error.message), error.message);
    return error.code;
  }
}

for (
  const [name, want] of Object.entries<{ width: number; height: number; rgb: string; exact: boolean }>(
    EXPECTED,
  )
) {
  Deno.test(`${name} has Pillow's pixels`, async () => {
    const got = await decodeImage(read(name));
    assertEquals([got.width, got.height], [want.width, want.height]);
    const rgb = base64(want.rgb);
    const worst = got.rgb.reduce((most, value, i) => Math.max(most, Math.abs(value - rgb[i])), 0);
    assertEquals(got.rgb.length, rgb.length);
    assert(worst <= (want.exact ? 0 : 1), `off by ${worst}`);
  });
}

Deno.test("older families: orientation ignored, alpha dropped", async () => {
  const plain = { applyOrientation: false, alpha: "drop" } as const;
  const turned = await decodeImage(read("exif6.jpg"), plain);
  assertEquals([turned.width, turned.height], [40, 24]);
  const rgba = { width: 1, height: 1, rgba: Uint8Array.of(10, 20, 30, 0) };
  assertEquals([...toRgb(rgba, "drop").rgb], [10, 20, 30]);
  assertEquals([...toRgb(rgba, "white").rgb], [255, 255, 255]);
  assertEquals([...toRgb({ ...rgba, rgba: Uint8Array.of(0, 255, 100, 128) }, "white").rgb], [127, 255, 177]);
});

Deno.test("orientation: all eight on a 2×3 picture", () => {
  const picture = { width: 2, height: 3, rgb: Uint8Array.from([1, 2, 3, 4, 5, 6].flatMap((v) => [v, v, v])) };
  const seen = (orientation: number) => {
    const { width, height, rgb } = orient(picture, orientation);
    return `${width}x${height} ${[...rgb].filter((_, i) => i % 3 === 0).join("")}`;
  };
  assertEquals([1, 2, 3, 4, 5, 6, 7, 8].map(seen), [
    "2x3 123456",
    "2x3 214365",
    "2x3 654321",
    "2x3 563412",
    "3x2 135246",
    "3x2 531642",
    "3x2 642531",
    "3x2 246135",
  ]);
});

Deno.test("a truncated file of any format is refused, at every tenth of its length", async () => {
  for (
    const name of [
      "sub2.jpg",
      "prog-restart.jpg",
      "cmyk.jpg",
      "exif6.jpg",
      "rgba8.png",
      "adam7.png",
      "alpha-lossy.webp",
      "alpha-lossless.webp",
      "animated.webp",
      "interlaced.gif",
      "rgb24.bmp",
      "pal8.bmp",
    ]
  ) {
    const bytes = read(name);
    for (let tenth = 0; tenth < 10; tenth++) {
      const cut = bytes.slice(0, Math.floor(bytes.length * tenth / 10));
      const code = await outcome(cut);
      assert(code === "corrupt_image" || code === "unsupported_image", `${name} at ${tenth}/10: ${code}`);
    }
  }
});

Deno.test("damaged files give a picture or a PromptError, never anything else", async () => {
  let seed = 9;
  const random = (below: number) => (seed = (seed * 1103515245 + 12345) % 2 ** 31) % below;
  const codes = new Set<string | null>();
  for (
    const name of [
      "sub2.jpg",
      "prog-restart.jpg",
      "rgba8.png",
      "pal-trns.png",
      "adam7.png",
      "alpha-lossy.webp",
      "alpha-lossless.webp",
      "animated.webp",
      "animated.gif",
      "interlaced.gif",
      "pal8.bmp",
      "rgba32.bmp",
    ]
  ) {
    for (let round = 0; round < 40; round++) {
      const bytes = read(name).slice();
      for (let i = 0; i < 1 + round % 5; i++) bytes[random(bytes.length)] = random(256);
      codes.add(await outcome(bytes));
    }
  }
  const known = ["decoded", "corrupt_image", "unsupported_image", "image_too_large"];
  assertEquals([...codes].filter((code) => !known.includes(code!)), []);
  assert(codes.has("corrupt_image"));
});

Deno.test("other formats are unsupported", async () => {
  const text = (value: string) => new TextEncoder().encode(value.padEnd(64, "\0"));
  for (
    const head of [
      "",
      "II*\0",
      "MM\0*",
      "\0\0\0\x1cftypavif",
      "<svg xmlns=",
      "%PDF-1.7",
      "RIFF\0\0\0\0WAVE",
      "icns",
    ]
  ) {
    assertEquals(await outcome(text(head)), "unsupported_image", head);
  }
});

/** A PNG with any header over the given raw rows. */
function png(
  width: number,
  height: number,
  raw: Uint8Array,
  chunks: [string, Uint8Array][] = [],
): Uint8Array {
  const chunk = (type: string, data: Uint8Array): number[] => {
    const body = [...new TextEncoder().encode(type), ...data];
    const word = (value: number) => [value >>> 24, value >>> 16 & 255, value >>> 8 & 255, value & 255];
    return [...word(data.length), ...body, ...word(crc32(Uint8Array.from(body)))];
  };
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width), header.setUint32(4, height), header.setUint8(8, 8), header.setUint8(9, 2);
  return Uint8Array.from([
    ...[0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A],
    ...chunk("IHDR", new Uint8Array(header.buffer)),
    ...chunks.flatMap(([type, data]) => chunk(type, data)),
    ...chunk("IDAT", deflateSync(raw)),
    ...chunk("IEND", new Uint8Array(0)),
  ]);
}

Deno.test("bombs are refused by their header", async () => {
  const word = (value: number) => [value & 255, value >> 8 & 255, value >> 16 & 255, value >>> 24];
  const little = (text: string, ...rest: number[]) =>
    Uint8Array.from([...new TextEncoder().encode(text), ...rest]);
  const zeros = new Uint8Array(1000);
  // A JPEG frame header of any size.
  const jpeg = (width: number, height: number) =>
    Uint8Array.from([
      0xFF,
      0xD8,
      0xFF,
      0xC0,
      0,
      17,
      8,
      height >> 8,
      height & 255,
      width >> 8,
      width & 255,
      3,
      1,
      0x22,
      0,
      2,
      0x11,
      0,
      3,
      0x11,
      0,
      0xFF,
      0xD9,
    ]);
  const bmp = little(
    "BM",
    ...word(100),
    ...word(0),
    ...word(54),
    ...word(40),
    ...word(30000),
    ...word(30000),
    1,
    0,
    24,
    0,
    ...new Uint8Array(24),
  );
  // 5,000 frames of 100×100 in a GIF; an APNG and an animated WebP that declare as many.
  const frame = [0x2C, 0, 0, 0, 0, 100, 0, 100, 0, 0, 2, 1, 0x44, 0];
  const gif = little(
    "GIF89a",
    100,
    0,
    100,
    0,
    0x80,
    0,
    0,
    0,
    0,
    0,
    255,
    255,
    255,
    ...Array(5000).fill(frame).flat(),
    0x3B,
  );
  const anmf = little("ANMF", ...word(16), ...new Uint8Array(16));
  const webpBody = [
    ...little("WEBPVP8X", ...word(10), 2, 0, 0, 0, 99, 0, 0, 99, 0, 0),
    ...Array(5000).fill([...anmf]).flat(),
  ];
  const webp = little("RIFF", ...word(webpBody.length), ...webpBody);
  const cases: [string, Uint8Array][] = [
    ["PNG side", png(16385, 1, zeros)],
    ["PNG area", png(16384, 16384, zeros)],
    ["PNG area just over", png(10000, 4001, zeros)],
    ["APNG frames", png(100, 100, zeros, [["acTL", Uint8Array.of(0, 0, 0x13, 0x88, 0, 0, 0, 0)]])],
    ["JPEG area", jpeg(16000, 16000)],
    ["JPEG side", jpeg(65535, 1)],
    ["BMP area", bmp],
    ["GIF canvas", little("GIF89a", 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0x3B)],
    ["GIF frames", gif],
    ["WebP frames", webp],
    [
      "WebP canvas",
      little(
        "RIFF",
        ...word(22),
        ...little("WEBPVP8X", ...word(10), 0, 0, 0, 0, 0xFF, 0xFF, 0, 0xFF, 0xFF, 0),
      ),
    ],
  ];
  for (const [name, bytes] of cases) assertEquals(await outcome(bytes), "image_too_large", name);
});

Deno.test("data beyond what the header implies is refused without being unpacked", async () => {
  const bomb = png(10, 10, new Uint8Array(20_000_000));
  assert(bomb.length < 100_000);
  assertEquals(await outcome(bomb), "corrupt_image");
  assertEquals(await outcome(png(10, 10, new Uint8Array(309))), "corrupt_image"); // one byte short
  assertEquals(await outcome(png(10, 10, new Uint8Array(310))), "decoded");
});

Deno.test("a codec that failed decodes the next file again", async () => {
  for (const name of ["sub2.jpg", "alpha-lossy.webp"]) {
    const broken = read(name).slice();
    broken.fill(0xA5, broken.length >> 1, broken.length - 8);
    await outcome(broken);
    assertEquals(await outcome(read(name)), "decoded", name);
  }
});

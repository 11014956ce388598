/** POST /v1/files over a real socket: kept byte for byte however it comes, refused by name, nothing left of half a file. */

import fc from "fast-check";
import { BatchStore } from "../../src/batch/batch_store.ts";
import { BatchWorker } from "../../src/batch/batch_worker.ts";
import { readForm } from "../../src/server/form_body.ts";
import { assert, assertEquals, assertMatch, assertThrows } from "../support/assert.ts";
import { startServer } from "../support/server_harness.ts";
import { inFolder } from "../weights/support.ts";

const BOUNDARY = "edge";
const TYPE = `multipart/form-data; boundary=${BOUNDARY}`;
const encoder = new TextEncoder();
const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const part = (head: string, content: string) => `--${BOUNDARY}\r\n${head}\r\n\r\n${content}\r\n`;
const field = (name: string, value: string) => part(`Content-Disposition: form-data; name="${name}"`, value);
const file = (content: string, name = "file", filename = "in.jsonl") =>
  part(
    `Content-Disposition: form-data; name="${name}"; filename="${filename}"\r\n` +
      "Content-Type: application/octet-stream",
    content,
  );
const END = `--${BOUNDARY}--\r\n`;
const PURPOSE = field("purpose", "batch");

/** Contents that look like a boundary here and there, and are none. */
const contents = fc.array(
  fc.oneof(
    fc.constantFrom("\r", "\n", "-", "--", "\r\n", "\r\n--", "\r\n--ed", "\r\n--edg", "--edge", "\0", "é"),
    fc.string({ maxLength: 20 }),
  ),
  { maxLength: 12 },
).map((pieces) => pieces.join("")).filter((text) => !`\r\n${text}`.includes(`\r\n--${BOUNDARY}`));
/** Bytes of the pieces that a body comes in, again and again. */
const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 });

function cut(text: string, sizes: number[]): Uint8Array<ArrayBuffer>[] {
  const bytes = encoder.encode(text), pieces: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length];
    pieces.push(bytes.slice(at, at + size));
    at += size;
  }
  return pieces;
}

interface Uploads {
  port: number;
  url: string;
  store: BatchStore;
  /** Names in the folder of files. */
  names(): string[];
}

async function withUploads(use: (uploads: Uploads) => Promise<void>): Promise<void> {
  await inFolder(async (folder) => {
    const store = new BatchStore(folder);
    const batches = new BatchWorker(store, {
      answer: () => Promise.reject(new Error("nothing is to be answered")),
      knows: () => true,
      places: () => 1,
      report: () => {},
    });
    const server = await startServer({ batches });
    try {
      const names = () => [...Deno.readDirSync(`${folder}/files`)].map(({ name }) => name);
      await use({ port: server.port, url: `${server.url}/v1/files`, store, names });
    } finally {
      await server.close();
      await batches.close();
    }
  });
}

async function upload({ url }: Uploads, body: string, type = TYPE) {
  const reply = await fetch(url, { method: "POST", headers: { "content-type": type }, body });
  return { status: reply.status, answer: await reply.json() };
}

/** Sends `pieces` as chunks of HTTP/1.1, and reads the answer. */
async function sendChunks(port: number, pieces: Uint8Array[]): Promise<{ status: number; answer: unknown }> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const writer = connection.writable.getWriter();
  await writer.write(encoder.encode(
    `POST /v1/files HTTP/1.1\r\nhost: localhost\r\ncontent-type: ${TYPE}\r\n` +
      "transfer-encoding: chunked\r\nconnection: close\r\n\r\n",
  ));
  for (const piece of pieces) {
    const size = encoder.encode(`${piece.length.toString(16)}\r\n`);
    await writer.write(new Uint8Array([...size, ...piece, 13, 10]));
  }
  await writer.write(encoder.encode("0\r\n\r\n"));
  const [head, body] = (await new Response(connection.readable).text()).split("\r\n\r\n");
  return { status: Number(head.split(" ")[1]), answer: JSON.parse(body) };
}

Deno.test("a file is kept byte for byte, wherever its form is cut", async () => {
  await withUploads(async (uploads) => {
    const { store, port } = uploads;
    await fc.assert(
      fc.asyncProperty(contents, sizes, fc.boolean(), async (content, sizes, first) => {
        const parts = first ? [PURPOSE, file(content)] : [file(content), PURPOSE];
        const { status, answer } = await sendChunks(port, cut(`${parts.join("")}${END}`, sizes));
        assertEquals(status, 200);
        const { id, bytes, filename } = answer as { id: string; bytes: number; filename: string };
        const kept = Deno.readFileSync(store.path(id));
        assertEquals([bytes, filename], [kept.length, "in.jsonl"]);
        assertEquals(kept, encoder.encode(content));
        store.removeFile(store.file("", id)!);
      }),
      { numRuns: 150 },
    );
    assertEquals(uploads.names(), []);
  });
});

Deno.test("a form is taken apart alike, wherever it is cut, and always comes to an end", async () => {
  const read = async (pieces: Uint8Array<ArrayBuffer>[]) => {
    const taken: number[] = [];
    const body = ReadableStream.from(pieces);
    const request = new Request("http://x", { method: "POST", headers: { "content-type": TYPE }, body });
    const sink = { write: (bytes: Uint8Array) => Promise.resolve(void taken.push(...bytes)) };
    const options = { most: 1 << 20, hint: "", once: ["a", "b"], sink: () => sink };
    try {
      const form = await readForm(request, options);
      const entries = [...form].map(([name, value]) => [name, value instanceof File ? [value.name] : value]);
      return JSON.stringify([entries, taken]);
    } catch (error) {
      return String(error);
    }
  };
  const pieces = fc.constantFrom(
    ...["--edge", "\r\n", "\r\n\r\n", "--", "--edge--", "x", "Content-Disposition: form-data; ", 'name="a"'],
    ...["; filename=b", field("a", "1"), field("b", "\r\n--ed"), file("two", "c"), file("", "d"), END],
  );
  await fc.assert(
    fc.asyncProperty(fc.array(pieces, { maxLength: 12 }), sizes, async (pieces, sizes) => {
      const text = pieces.join("");
      assertEquals(await read(cut(text, sizes)), await read([encoder.encode(text)]));
    }),
    { numRuns: 500 },
  );
});

Deno.test("what is wrong with a form is told by name; nothing is left on the disk", async () => {
  await withUploads(async (uploads) => {
    const whole = file('{"a":1}\n');
    const wrong: [string, string, number, string, string | null][] = [
      ["no file", `${PURPOSE}${END}`, 400, "invalid_value", "file"],
      ["no purpose", `${whole}${END}`, 400, "invalid_value", "purpose"],
      ["another purpose", `${whole}${field("purpose", "fine-tune")}${END}`, 400, "invalid_value", "purpose"],
      [
        "a long purpose",
        `${whole}${field("purpose", "x".repeat(1 << 20))}${END}`,
        400,
        "invalid_value",
        "purpose",
      ],
      ["file is a text", `${PURPOSE}${field("file", "text")}${END}`, 400, "invalid_value", "file"],
      ["a file without a name", `${PURPOSE}${file("x", "file", "")}${END}`, 400, "invalid_value", "file"],
      ["purpose is a file", `${file("batch", "purpose")}${whole}${END}`, 400, "invalid_value", "purpose"],
      ["two files", `${PURPOSE}${whole}${file("other")}${END}`, 400, "invalid_value", "file"],
      ["two purposes", `${PURPOSE}${PURPOSE}${whole}${END}`, 400, "invalid_value", "purpose"],
      [
        "a field and a file",
        `${field("file", "text")}${PURPOSE}${whole}${END}`,
        400,
        "invalid_value",
        "file",
      ],
      ["other names", `${field("Purpose", "batch")}${file("x", "File")}${END}`, 400, "invalid_value", "file"],
      [
        "a name that is cut off",
        `${PURPOSE}${
          part(`A: ${"x".repeat(20 << 10)}\r\nContent-Disposition: form-data; name="file"; filename="a"`, "x")
        }${END}`,
        400,
        "invalid_value",
        "file",
      ],
      ["no end", `${PURPOSE}${whole}`, 400, "invalid_form", null],
      ["half an end", `${PURPOSE}${whole}--${BOUNDARY}-`, 400, "invalid_form", null],
      [
        "no end of the headers",
        `${PURPOSE}--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"`,
        400,
        "invalid_form",
        null,
      ],
      ["no form", "x".repeat(100_000), 400, "invalid_form", null],
      ["nothing", "", 400, "invalid_form", null],
      ["many parts", `${PURPOSE}${whole}${field("a", "b").repeat(200)}${END}`, 400, "invalid_form", null],
      [
        "boundaries alone",
        `${PURPOSE}${whole}${`--${BOUNDARY}\r\n\r\n`.repeat(20_000)}${END}`,
        400,
        "invalid_form",
        null,
      ],
    ];
    for (const [what, body, status, code, param] of wrong) {
      const { status: got, answer: { error } } = await upload(uploads, body);
      assertEquals(
        [got, error.type, error.code, error.param],
        [status, "invalid_request_error", code, param],
        what,
      );
    }
    const types: [string, number, string][] = [
      ["application/json", 415, "unsupported_media_type"],
      ["text/plain", 415, "unsupported_media_type"],
      ["multipart/form-datas; boundary=edge", 415, "unsupported_media_type"],
      ["multipart/form-data", 400, "invalid_form"],
      [`multipart/form-data; boundary=${"x".repeat(300)}`, 400, "invalid_form"],
      ["multipart/form-data; boundary=other", 400, "invalid_form"],
    ];
    for (const [type, status, code] of types) {
      const { status: got, answer: { error } } = await upload(uploads, `${PURPOSE}${whole}${END}`, type);
      assertEquals([got, error.code], [status, code], type);
    }
    assertEquals([uploads.names(), uploads.store.files("")], [[], []]);
  });
});

Deno.test("names are kept as they were sent; other fields, parts without a name and what is around the form do not matter", async () => {
  await withUploads(async (uploads) => {
    const names = [
      "in.jsonl",
      "folder/in.jsonl",
      "C:\\\\in.jsonl",
      "Anfragen für München.jsonl",
      "求.jsonl",
      "a;b=c.jsonl",
    ];
    for (const name of names) {
      const others = field("expires_after[anchor]", "created_at").repeat(2) +
        file("z".repeat(100_000), "other") +
        field("note", "n".repeat(100_000)) + part("X: y", "no name");
      const form = `before\r\n${PURPOSE}${others}${file("one\r\n", "file", name)}${END}behind`;
      const { status, answer } = await upload(uploads, form);
      assertEquals([status, answer.filename, answer.bytes], [200, name.replace("\\\\", "\\"), 5]);
      assertEquals(Deno.readTextFileSync(uploads.store.path(answer.id)), "one\r\n");
    }
    const long = await upload(uploads, `${PURPOSE}${file("", "file", "n".repeat(5000))}${END}`);
    assertEquals([long.status, long.answer.filename.length, long.answer.bytes], [200, 200, 0]);
    assertEquals(uploads.names().sort(), uploads.store.files("").map(({ id }) => id).sort());
  });
});

Deno.test("an upload that is too large is refused, told before or not, and leaves nothing", async () => {
  await withUploads(async (uploads) => {
    const told = await upload(uploads, `${PURPOSE}${file("x".repeat(64 << 20))}${END}`);
    assertEquals([told.status, told.answer.error.code], [413, "body_too_large"]);
    assertMatch(told.answer.error.message, /larger than 64 MiB; valley batch reads larger files/);
    assertEquals(uploads.names(), []);
  });
  const type = { "content-type": TYPE };
  const body = () =>
    ReadableStream.from([`${PURPOSE}--${BOUNDARY}\r\n`, "x".repeat(1 << 20)].map((t) => encoder.encode(t)));
  const read = () =>
    readForm(new Request("http://x", { method: "POST", headers: type, body: body() }), {
      most: 1 << 20,
      hint: "use a disk",
      once: [],
      sink: () => null,
    });
  await assertThrows(read, /larger than 1 MiB; use a disk/);
});

Deno.test("a client that leaves in the middle leaves no file; one that was killed is cleared away at the start", async () => {
  await withUploads(async (uploads) => {
    const until = async (count: number) => {
      for (let i = 0; uploads.names().length !== count && i < 1000; i++) await sleep(10);
      assertEquals(uploads.names().length, count);
    };
    for (const length of ["content-length: 1000000", "transfer-encoding: chunked"]) {
      const connection = await Deno.connect({ hostname: "127.0.0.1", port: uploads.port });
      const begun = `${PURPOSE}${file("y".repeat(200_000))}`.slice(0, 190_000);
      const chunk = length.startsWith("t") ? `${begun.length.toString(16)}\r\n` : "";
      const head = `POST /v1/files HTTP/1.1\r\nhost: localhost\r\ncontent-type: ${TYPE}\r\n${length}\r\n\r\n`;
      const bytes = encoder.encode(`${head}${chunk}${begun}`);
      for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
      await until(1); // its bytes go to the disk as they come
      assertMatch(uploads.names()[0], /^file-\w+\.part$/);
      connection.close();
      await until(0);
    }
    assertEquals(uploads.store.files(""), []);
  });
  await inFolder(async (folder) => {
    const store = new BatchStore(folder);
    await store.upload().write(encoder.encode("half"));
    assertEquals([...Deno.readDirSync(`${folder}/files`)].length, 1);
    store.close();
    new BatchStore(folder).close();
    assert([...Deno.readDirSync(`${folder}/files`)].length === 0);
  });
});

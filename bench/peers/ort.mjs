// Times ONNX Runtime's MatMulNBits (int4, blocks of 32) on its WebGPU provider under Node; prints one line of JSON.
// usage: node ort.mjs PACKAGES SIZE ROWS… ; a square matrix, chained, so that submit and read-back can be subtracted
import { createRequire } from "node:module";

const [packages, sizeText, ...rowTexts] = process.argv.slice(2);
const ort = createRequire(`${packages}/x.js`)("onnxruntime-node");
const size = Number(sizeText);

// As much of protobuf as a model file needs.
const varint = (n) => {
  const bytes = [];
  for (; n > 127; n = Math.floor(n / 128)) bytes.push(n % 128 + 128);
  return Buffer.from([...bytes, n]);
};
const number = (field, n) => Buffer.concat([varint(field * 8), varint(n)]);
const bytes = (field, data) => {
  const body = typeof data === "string" ? Buffer.from(data) : Buffer.concat([].concat(data));
  return Buffer.concat([varint(field * 8 + 2), varint(body.length), body]);
};
const FLOAT = 1, UINT8 = 2;
const tensor = (name, type, dims, raw) =>
  bytes(5, [...dims.map((d) => number(1, d)), number(2, type), bytes(8, name), bytes(9, raw)]);
const value = (field, name, dims) =>
  bytes(field, [
    bytes(1, name),
    bytes(2, bytes(1, [number(1, FLOAT), bytes(2, dims.map((d) => bytes(1, number(1, d))))])),
  ]);
const attribute = (name, n) => bytes(5, [bytes(1, name), number(3, n), number(20, 2)]);
const multiply = (i) =>
  bytes(1, [
    ...[`x${i}`, "weight", "scales", "zeros"].map((n) => bytes(1, n)),
    bytes(2, `x${i + 1}`),
    bytes(3, `n${i}`),
    bytes(4, "MatMulNBits"),
    attribute("K", size),
    attribute("N", size),
    attribute("bits", 4),
    attribute("block_size", 32),
    bytes(7, "com.microsoft"),
  ]);

function model(rows, count) {
  const blocks = size / 32;
  const weight = Buffer.alloc(size * blocks * 16);
  for (let i = 0; i < weight.length; i++) weight[i] = Math.imul(i + 1, 2654435761) >>> 24;
  const scales = Buffer.from(new Float32Array(size * blocks).fill(0.01).buffer);
  const zeros = Buffer.alloc(size * blocks / 2, 0x88);
  const graph = [
    ...Array.from({ length: count }, (_, i) => multiply(i)),
    bytes(2, "bench"),
    tensor("weight", UINT8, [size, blocks, 16], weight),
    tensor("scales", FLOAT, [size * blocks], scales),
    tensor("zeros", UINT8, [size * blocks / 2], zeros),
    value(11, "x0", [rows, size]),
    value(12, `x${count}`, [rows, size]),
  ];
  const opset = (domain, version) => bytes(8, [bytes(1, domain), number(2, version)]);
  return Buffer.concat([number(1, 8), bytes(7, graph), opset("", 17), opset("com.microsoft", 1)]);
}

async function time(rows, count) {
  const session = await ort.InferenceSession.create(model(rows, count), { executionProviders: ["webgpu"] });
  const x0 = new ort.Tensor("float32", new Float32Array(rows * size).fill(0.01), [rows, size]);
  let best = Infinity;
  for (let i = 0; i < 4; i++) {
    const start = performance.now();
    await session.run({ x0 });
    if (i > 0) best = Math.min(best, performance.now() - start);
  }
  await session.release();
  return best;
}

const ms = {};
for (const rows of rowTexts.map(Number)) {
  const count = 4;
  ms[rows] = (await time(rows, 1 + count) - await time(rows, 1)) / count;
}
console.log(JSON.stringify({ version: ort.env?.versions?.node ?? null, size, ms }));
process.exit(0);

// Runs llama.cpp (node-llama-cpp) on a GGUF file under Node and prints one line of JSON with its times.
// usage: node llama.mjs PACKAGES MODEL.gguf vulkan|cpu TEXTFILE PREFILL DECODE
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [packages, file, device, textFile, prefill, decode] = process.argv.slice(2);
const { getLlama } = await import(
  pathToFileURL(createRequire(`${packages}/x.js`).resolve("node-llama-cpp")).href
);
const llama = await getLlama({
  gpu: device === "vulkan" ? "vulkan" : false,
  build: "never",
  skipDownload: true,
  progressLogs: false,
  logLevel: "error",
});
const model = await llama.loadModel({ modelPath: file, gpuLayers: device === "vulkan" ? 999 : 0 });
const context = await model.createContext({ contextSize: 1024, batchSize: 512, sequences: 1, threads: 2 });
const sequence = context.getSequence();
const tokens = model.tokenize(readFileSync(textFile, "utf8"));
const result = {
  device: llama.gpu || "cpu",
  tokens: tokens.slice(0, Number(prefill)),
  ids: [],
  prefillMs: 0,
  decodeMs: 0,
};

for (let round = 0; round < 2; round++) { // the first round warms up
  await sequence.clearHistory();
  const start = performance.now();
  await sequence.evaluateWithoutGeneratingNewTokens(result.tokens);
  result.prefillMs = performance.now() - start;
  if (device === "vulkan") break; // minutes a round on a CPU driver
}

await sequence.clearHistory();
const prompt = tokens.slice(0, 32);
let first = 0;
for await (const token of sequence.evaluate(prompt, { temperature: 0 })) {
  result.ids.push(token);
  if (result.ids.length === 1) first = performance.now();
  if (result.ids.length > Number(decode)) break;
}
result.decodeMs = performance.now() - first;
console.log(JSON.stringify(result));
process.exit(0);

/**
 * The family's published names. Read in the official repository (github.com/bytedance/Valley, README at commit 7201bbb,
 * 8 May 2026), which links each of them as huggingface.co/<id>. The hub itself could not be reached from where this was
 * written: that the repositories are there today, their files and sizes, was not verified. Valley (2023) is named by the
 * authors' inference code (run_valley_llamma_v2.py); its 13B is a difference to LLaMA's weights.
 */

import type { Reasoning } from "./manifest.ts";

export interface KnownModel {
  /** Hub id. */
  id: string;
  family: "valley3" | "valley2.5" | "valley2" | "valley1";
  reasoning: Reasoning;
  /** Published as the difference to this model, which whoever serves it must have. */
  base?: string;
}

export const KNOWN_MODELS: readonly KnownModel[] = [
  { id: "bytedance-research/Valley3-8B-Instruct", family: "valley3", reasoning: "none" },
  { id: "bytedance-research/Valley3-8B-Think", family: "valley3", reasoning: "prompted" },
  { id: "bytedance-research/Valley3-32B-Instruct", family: "valley3", reasoning: "none" },
  { id: "bytedance-research/Valley3-32B-Think", family: "valley3", reasoning: "prompted" },
  { id: "bytedance-research/Valley2.5", family: "valley2.5", reasoning: "optional" },
  { id: "bytedance-research/Valley2-DPO", family: "valley2", reasoning: "none" },
  { id: "bytedance-research/Valley-Eagle-7B", family: "valley2", reasoning: "none" },
  { id: "luoruipu1/Valley2-7b", family: "valley1", reasoning: "none" },
  { id: "luoruipu1/valley-13b-v1-delta", family: "valley1", reasoning: "none", base: "LLaMA 13B" },
];

/** By id, upper and lower case alike; null: not one of the family. */
export const knownModel = (id: string): KnownModel | null =>
  KNOWN_MODELS.find((model) => model.id.toLowerCase() === id.toLowerCase()) ?? null;

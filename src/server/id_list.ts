/** A list of token ids in a body: told of the first that is none, as each further one would cost time. */

import { z } from "zod";

const MOST_IDS = 1 << 17, LARGEST = 2 ** 31;

export function idList(fewest: number): z.ZodType<number[]> {
  const check = (value: unknown, context: z.RefinementCtx) => {
    if (!Array.isArray(value) || value.length < fewest || value.length > MOST_IDS) {
      context.addIssue({ code: "custom", message: `Expected ${fewest} to ${MOST_IDS} token ids` });
      return;
    }
    const wrong = value.findIndex((id) => !Number.isInteger(id) || id < 0 || id > LARGEST);
    if (wrong < 0) return;
    const message = `Expected a token id, a whole number from 0 to ${LARGEST}`;
    context.addIssue({ code: "custom", message, path: [wrong] });
  };
  return z.unknown().superRefine(check).meta({
    type: "array",
    items: { type: "integer", minimum: 0, maximum: LARGEST },
    minItems: fewest,
    maxItems: MOST_IDS,
  }) as z.ZodType<number[]>;
}

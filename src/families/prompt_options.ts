/** Choices of a family's prompt side that an operator may make (`--prompt-options`). */

export type PromptChoices = Readonly<Record<string, readonly unknown[]>>;

/**
 * `given` held against what the family knows; the result has the type that the family's constructor wants.
 * @throws Error naming the option or value that is not known
 */
export function chosen<T>(given: Readonly<Record<string, unknown>>, known: PromptChoices, family: string): T {
  for (const [name, value] of Object.entries(given)) {
    const values = Object.hasOwn(known, name) ? known[name] : null;
    if (values === null) {
      const names = Object.keys(known).join(", ") || "none";
      throw new Error(`Cannot use --prompt-options: ${family} has no ${name}, known: ${names}`);
    }
    if (!values.includes(value)) {
      throw new Error(
        `Cannot use --prompt-options: ${name} of ${family} is ${
          values.map((v) => JSON.stringify(v)).join(" or ")
        }`,
      );
    }
  }
  return given as T;
}

/**
 * JSON as Python's json.dumps(value, ensure_ascii=False) writes it, which is what chat templates were trained
 * on: ", " and ": " between, keys in their order, nothing escaped that needn't be.
 */
export function pythonJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(pythonJson).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    const fields = Object.entries(value).filter(([, field]) => field !== undefined);
    return `{${fields.map(([key, field]) => `${JSON.stringify(key)}: ${pythonJson(field)}`).join(", ")}}`;
  }
  if (typeof value === "number" && Number.isFinite(value)) {
    // Python writes at least two digits of exponent (1e-07).
    return String(value).replace(/e([+-])(\d)$/, "e$10$2");
  }
  return JSON.stringify(value) ?? "null";
}

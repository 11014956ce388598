/** Reading config.json strictly: what is missing, malformed or not computed by the port is named. */

export type Json = Record<string, unknown>;

export class ConfigReader {
  constructor(private readonly json: Json, private readonly path = "") {}

  has(key: string): boolean {
    return this.json[key] !== undefined && this.json[key] !== null;
  }

  get(key: string): unknown {
    return this.json[key];
  }

  object(key: string): ConfigReader {
    const value = this.json[key];
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new Error(`Cannot read config.json: ${this.path}${key} is missing`);
    }
    return new ConfigReader(value as Json, `${this.path}${key}.`);
  }

  /** An object, or an empty one: every number then has its fallback. */
  optional(key: string): ConfigReader {
    return this.has(key) ? this.object(key) : new ConfigReader({}, `${this.path}${key}.`);
  }

  /** A finite number over 0. */
  number(key: string, fallback?: number): number {
    const value = this.json[key] ?? fallback;
    if (typeof value !== "number" || !(value > 0 && value < Infinity)) {
      throw new Error(`Cannot read config.json: ${this.path}${key} is not a number over 0`);
    }
    return value;
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.json[key] ?? fallback;
    if (typeof value !== "boolean") {
      throw new Error(`Cannot read config.json: ${this.path}${key} is neither true nor false`);
    }
    return value;
  }

  /** Refuses a value that the port does not compute; absent and null pass. */
  only(key: string, allowed: readonly unknown[]): void {
    const value = this.json[key];
    if (value !== undefined && value !== null && !allowed.includes(value)) {
      throw new Error(
        `Cannot serve this checkpoint: ${this.path}${key} is ${JSON.stringify(value)}, known: ${allowed}`,
      );
    }
  }

  /** Refuses rotary scaling other than the default. */
  plainRope(): void {
    const scaling = this.json.rope_scaling as Json | null | undefined;
    if (scaling && (scaling.rope_type ?? scaling.type) !== "default") {
      throw new Error(
        `Cannot serve this checkpoint: ${this.path}rope_scaling is ${
          JSON.stringify(scaling)
        }, known: default`,
      );
    }
  }
}

/** A call that the server made, and later what came of it. */
export interface McpStep {
  round: number;
  name: string;
  arguments: string;
  /** null: it has just been begun. */
  result: string | null;
  failed: boolean;
}

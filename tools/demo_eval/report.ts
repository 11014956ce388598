/** Accuracy a task, and a few wrong answers of each so that one sees what goes wrong. */
import type { Answered } from "./ask.ts";

export interface Summary {
  tasks: Record<string, { right: number; of: number }>;
  right: number;
  of: number;
  /** Ids of the questions answered right: for paired comparisons. */
  rightIds: string[];
}

const SHOWN = 2;

export function report(answered: Answered[]): Summary {
  const tasks: Summary["tasks"] = {};
  for (const a of answered) {
    const task = tasks[a.question.task] ??= { right: 0, of: 0 };
    task.of++;
    if (a.right) task.right++;
  }
  for (const [name, { right, of }] of Object.entries(tasks)) {
    console.log(
      `${name.padEnd(26)} ${String(right).padStart(4)} of ${of}  ${
        (100 * right / of).toFixed(1).padStart(5)
      } %`,
    );
    const wrong = answered.filter((a) => a.question.task === name && !a.right).slice(0, SHOWN);
    for (const { question, answer, toolCalls } of wrong) {
      const want = question.expected_tool_calls
        ? JSON.stringify(question.expected_tool_calls)
        : question.expected;
      console.log(
        `    ${question.id}: "${answer}${
          toolCalls.length ? JSON.stringify(toolCalls) : ""
        }", right: "${want}"`,
      );
    }
  }
  const right = answered.filter((a) => a.right);
  console.log(
    `\nall tasks: ${right.length} of ${answered.length}, ${
      (100 * right.length / answered.length).toFixed(2)
    } %`,
  );
  return { tasks, right: right.length, of: answered.length, rightIds: right.map((a) => a.question.id) };
}

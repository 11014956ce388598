import { deepStrictEqual as same, strictEqual as equal } from "node:assert";
import { closingLine, sum, TestOutput } from "../../tools/test_runs.ts";

function counts(text: string, code: number) {
  const output = new TestOutput();
  for (const letter of text) output.add(letter);
  return output.counts(code);
}

Deno.test("closing lines of deno test, plain, with steps, ignored and failed ones", () => {
  same(counts("a ... ok\n\nok | 29 passed | 0 failed (239ms)\n", 0), { passed: 29, failed: 0, ignored: 0 });
  same(counts("ok | 3 passed (12 steps) | 0 failed | 2 ignored (1s)\n", 0), {
    passed: 3,
    failed: 0,
    ignored: 2,
  });
  same(counts("FAILED | 5 passed | 2 failed (1m3s)\n\nerror: Test failed\n", 1), {
    passed: 5,
    failed: 2,
    ignored: 0,
  });
});

Deno.test("a run that crashed, ran nothing or ended badly is a failure", () => {
  equal(counts("error: Type checking failed.\n", 1).failed, 1);
  equal(counts("ok | 0 passed | 0 failed (0ms)\n", 0).failed, 1);
  equal(counts("ok | 4 passed | 0 failed (9ms)\n", 139).failed, 1);
  equal(sum([]).failed, 1);
});

Deno.test("what a test prints is not taken for the closing line", () => {
  same(counts("ok | 9 passed | 0 failed (1ms)\nFAILED | 1 passed | 1 failed (9ms)\n", 1), {
    passed: 1,
    failed: 1,
    ignored: 0,
  });
});

Deno.test("runs are added up", () => {
  const total = sum([{ passed: 3, failed: 0, ignored: 1 }, { passed: 4, failed: 2, ignored: 0 }]);
  equal(closingLine(total), "7 passed, 2 failed, 1 skipped");
  equal(closingLine({ passed: 7, failed: 0, ignored: 0 }), "7 passed, 0 failed");
});

/** Parts of JSON whose rules the grammar library writes loosely, as expressions in EBNF: numbers in a range. */

/** Digits after the point, and before it where there is no upper bound. */
const FRACTION = 15, DIGITS = 15;

export interface Range {
  /** Whole numbers, or ∓Infinity. */
  from: number;
  to: number;
  /** The bound itself is not in the range. */
  above: boolean;
  below: boolean;
}

/** A number in the range, without exponent; null: there is none. */
export function numberInRange({ from, to, above, below }: Range): string | null {
  const positive = to >= 0 ? unsigned(Math.max(from, 0), to, above && from >= 0, below) : [];
  const negative = from < 0 ? unsigned(Math.max(-to, 0), -from, below && to <= 0, above) : [];
  const forms = [...positive, ...negative.map((form) => `"-" (${form})`)];
  return forms.length === 0 ? null : `(${forms.join(" | ")})`;
}

/** Numbers from whole `a` to whole `b` (≥ 0), the ends left out where said. */
function unsigned(a: number, b: number, withoutA: boolean, withoutB: boolean): string[] {
  if (a > b || (a === b && (withoutA || withoutB))) return [];
  const forms: string[] = [];
  const first = withoutA ? a + 1 : a;
  if (withoutA && a < b) forms.push(`"${a}." [0-9]{0,${FRACTION - 1}} [1-9]`);
  if (first < b) forms.push(`(${wholeNumbers(first, b - 1).join(" | ")}) ("." [0-9]{1,${FRACTION}})?`);
  if (!withoutB && b !== Infinity) forms.push(`"${b}" ("." "0"{1,${FRACTION}})?`);
  return forms;
}

/** Whole numbers from `from` to `to`, as alternatives; `to` may be Infinity. */
function wholeNumbers(from: number, to: number): string[] {
  if (to === Infinity) {
    const length = String(from).length;
    return [...wholeNumbers(from, 10 ** length - 1), `[1-9] [0-9]{${length},${length + DIGITS}}`];
  }
  const forms: string[] = [];
  for (let low = from; low <= to;) {
    // The largest run low … high that digits and classes can write: low's last digits go up to all nines.
    const length = String(low).length;
    let power = 1;
    while (
      low % (power * 10) === 0 && low + power * 10 - 1 <= to && String(low + power * 10 - 1).length === length
    ) {
      if (low === 0) break;
      power *= 10;
    }
    const head = Math.floor(low / power), last = head % 10;
    const top = Math.min(9, last + Math.floor((to - low + 1) / power) - 1);
    const before = String(head).slice(0, -1), zeros = String(power).length - 1;
    forms.push(
      `${before === "" ? "" : `"${before}" `}[${last}-${top}]${zeros > 0 ? ` [0-9]{${zeros}}` : ""}`,
    );
    low += power * (top - last + 1);
  }
  return forms;
}
